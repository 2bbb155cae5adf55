"""Run bundles on ONNX Runtime: open them, check them against their manifests, and warm them up.

Only the batch sizes in `BUCKETS` are run: ONNX Runtime's memory arena grows with each new shape and never shrinks. The
largest is run before the model is ready, so that its memory is allocated. On a graphics card all are, because the
kernels of a shape are chosen at its first run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.contract.bundle import Manifest, read_bundle
from mien.contract.errors import BundleRefused, Misconfigured
from mien.contract.results import ModelInfo
from mien.contract.workers import ServedModel
from service.onnx_runtime import onnxruntime
from service.worker.cpus import available_cpus

BUCKETS = (1, 2, 4, 8, 16)
"""The batch sizes in use."""

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""ONNX Runtime's execution providers by their names in settings."""


class OnnxModel:
    """A served bundle.

    Args:
        folder: the bundle's.
        provider: name of the execution provider, a key of `PROVIDERS`.
        tf32: whether CUDA's provider may compute float32 in TF32, which is its own default.

    Attributes:
        manifest: the bundle's manifest.
        info: description of the model in results.
        served: description of the model at `/models`.
        provider: name of the execution provider.
    """

    def __init__(self, folder: Path, provider: str, *, tf32: bool = False) -> None:
        self.manifest, sha256 = read_bundle(folder)
        self.provider = provider
        columns = {task.kind: list(task.names) for task in self.manifest.tasks}
        self.info = ModelInfo(
            name=self.manifest.name,
            version=self.manifest.version,
            sha256=sha256,
            trained=self.manifest.training.trained,
            tasks=list(columns),
        )
        self.served = ServedModel(
            **self.info.model_dump(),
            labels=columns.get("expression", []),
            dimensions=columns.get("dimensions", []),
            traits=columns.get("personality", []),
            window_s=round(self.manifest.input.frames * self.manifest.input.interval_s, 3),
            hop_s=self.manifest.hop_s,
            licence=self.manifest.licence,
            intended_use=self.manifest.intended_use,
            trained_on=self.manifest.training.data,
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = available_cpus()
        options.inter_op_num_threads = 1
        # Memory patterns keep one block of memory for each shape beside the arena: 231 MB instead of 157 for the
        # default bundle, and no faster.
        options.enable_mem_pattern = provider != "cpu"
        settings = {"use_tf32": str(int(tf32))} if provider == "cuda" else {}
        try:
            self._session = onnxruntime.InferenceSession(
                folder / self.manifest.graph, sess_options=options, providers=[(PROVIDERS[provider], settings)]
            )
        except Exception as error:  # ONNX Runtime has many error types
            raise BundleRefused(f"ONNX Runtime cannot open {folder / self.manifest.graph}: {error}") from error
        # If a provider fails to load, ONNX Runtime only warns and falls back to the CPU.
        if self._session.get_providers()[0] != PROVIDERS[provider]:
            raise Misconfigured(
                f"{PROVIDERS[provider]} could not be loaded on this machine. Install what it needs, or name another "
                "provider in MIEN_PROVIDERS."
            )
        self._check_graph(folder)
        for size in BUCKETS[-1:] if provider == "cpu" else BUCKETS:
            self.run(np.zeros((size, *self.manifest.input.shape), np.uint8))

    def run(self, clips: NDArray[np.uint8]) -> list[dict[str, NDArray[np.float32]]]:
        """Score a batch.

        Args:
            clips: (B, T, H, W, 3), B one of `BUCKETS`.

        Returns:
            For each clip, each task's output tensor by its kind, shape (columns,).
        """
        names = [task.output for task in self.manifest.tasks]
        outputs = self._session.run(names, {self.manifest.input.name: clips})
        kinds = [task.kind for task in self.manifest.tasks]
        return [dict(zip(kinds, rows, strict=True)) for rows in zip(*outputs, strict=True)]

    def _check_graph(self, folder: Path) -> None:
        expected = self.manifest.input
        inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        tensor = inputs.get(expected.name)
        if len(inputs) != 1 or tensor is None or tensor.type != "tensor(uint8)":
            raise BundleRefused(f"The graph in {folder} does not take one uint8 tensor named {expected.name}.")
        if tuple(tensor.shape[1:]) != expected.shape or isinstance(tensor.shape[0], int):
            raise BundleRefused(f"The graph in {folder} takes {tensor.shape}, not (B, {expected.shape}) with any B.")
        outputs = {tensor.name: tensor.shape for tensor in self._session.get_outputs()}
        for task in self.manifest.tasks:
            count = len(task.names)
            if outputs.get(task.output, [None])[-1] != count:
                raise BundleRefused(f"The graph in {folder} has no output {task.output} of {count} columns.")
        if self.manifest.embedding not in outputs:
            raise BundleRefused(f"The graph in {folder} has no output {self.manifest.embedding}.")


def choose_provider(wanted: Sequence[str]) -> str:
    """Return the first wanted provider that this ONNX Runtime supports.

    Raises:
        Misconfigured: it supports none of them; there is no silent fallback from GPU to CPU.
    """
    available = onnxruntime.get_available_providers()
    for name in wanted:
        if PROVIDERS[name] in available:
            return name
    raise Misconfigured(f"None of the providers {', '.join(wanted)} is in this ONNX Runtime, which has {available}.")


def open_models(folders: Sequence[Path], providers: Sequence[str], *, tf32: bool = False) -> list[OnnxModel]:
    """Open and warm up every bundle; `tf32` is that of `OnnxModel`.

    Raises:
        BundleRefused: a bundle is broken, or two bundles serve the same task.
        Misconfigured: no wanted provider is available.
    """
    provider = choose_provider(providers)
    if provider in ("cuda", "tensorrt"):
        onnxruntime.preload_dlls()  # CUDA and cuDNN from their wheels, if installed
    models = [OnnxModel(folder, provider, tf32=tf32) for folder in folders]
    served: dict[str, Manifest] = {}
    for model in models:
        for task in model.manifest.tasks:
            if task.kind in served:
                raise BundleRefused(f"{served[task.kind].name} and {model.manifest.name} both serve {task.kind}.")
            served[task.kind] = model.manifest
    return models
