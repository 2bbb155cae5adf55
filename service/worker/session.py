"""Open a bundle's graph with ONNX Runtime and check it against the manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.contract.bundle import Manifest, Precision
from mien.contract.errors import BundleRefused, Misconfigured
from service.onnx_runtime import onnxruntime
from service.worker.cpus import available_cpus

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""ONNX Runtime's execution providers by their names in settings."""


class Session:
    """A graph that is ready to run.

    Args:
        folder: the bundle's.
        manifest: the bundle's.
        precision: which of the bundle's graphs.
        provider: name of the execution provider, a key of `PROVIDERS`.
        tf32: whether CUDA's provider may compute float32 in TF32, which is its own default.
    """

    def __init__(self, folder: Path, manifest: Manifest, precision: Precision, provider: str, *, tf32: bool) -> None:
        path = folder / manifest.graphs[precision]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = available_cpus()
        options.inter_op_num_threads = 1
        # Memory patterns keep one block of memory for each shape beside the arena: 231 MB instead of 157 for the
        # default bundle, and no faster.
        options.enable_mem_pattern = provider != "cpu"
        settings = {"use_tf32": str(int(tf32))} if provider == "cuda" else {}
        try:
            self._session = onnxruntime.InferenceSession(
                path, sess_options=options, providers=[(PROVIDERS[provider], settings)]
            )
        except Exception as error:  # ONNX Runtime has many error types
            advice = "" if precision == "float32" else " MIEN_PRECISION=float32 does without this variant."
            raise BundleRefused(f"ONNX Runtime cannot open {path}: {error}{advice}") from error
        # If a provider fails to load, ONNX Runtime only warns and falls back to the CPU.
        if self._session.get_providers()[0] != PROVIDERS[provider]:
            raise Misconfigured(
                f"{PROVIDERS[provider]} could not be loaded on this machine. Install what it needs, or name another "
                "provider in MIEN_PROVIDERS."
            )
        self._input = manifest.input.name
        self._outputs = [task.output for task in manifest.tasks]
        self._check(path, manifest)

    def __call__(self, clips: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Score clips (B, T, H, W, 3); return (B, columns) for each task."""
        outputs: list[NDArray[np.float32]] = self._session.run(self._outputs, {self._input: clips})
        return outputs

    def _check(self, path: Path, manifest: Manifest) -> None:
        inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        tensor = inputs.get(manifest.input.name)
        if len(inputs) != 1 or tensor is None or tensor.type != "tensor(uint8)":
            raise BundleRefused(f"The graph {path} does not take one uint8 tensor named {manifest.input.name}.")
        if tuple(tensor.shape[1:]) != manifest.input.shape or isinstance(tensor.shape[0], int):
            raise BundleRefused(f"The graph {path} takes {tensor.shape}, not (B, {manifest.input.shape}) with any B.")
        outputs = {tensor.name: tensor for tensor in self._session.get_outputs()}
        for task in manifest.tasks:
            count = len(task.names)
            output = outputs.get(task.output)
            if output is None or output.shape[-1] != count or output.type != "tensor(float)":
                raise BundleRefused(f"The graph {path} has no float32 output {task.output} of {count} columns.")
        if manifest.embedding not in outputs:
            raise BundleRefused(f"The graph {path} has no output {manifest.embedding}.")
