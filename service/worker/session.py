"""Open a bundle's graph with ONNX Runtime and check it against the manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from mien.contract.bundle import Manifest, Precision
from mien.contract.errors import BundleRefused, Misconfigured
from service.onnx_runtime import onnxruntime
from service.worker.cpus import available_cpus
from service.worker.cuda_graphs import CudaGraphRuns
from service.worker.precision import Run

log = structlog.get_logger()

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""ONNX Runtime's execution providers by their names in settings."""

_SPIN_US = 50


class Session:
    """A graph that is ready to run.

    Args:
        folder: the bundle's.
        manifest: the bundle's.
        precision: which of the bundle's graphs; `bfloat16` is the float32 graph, so computed by OpenVINO.
        provider: name of the execution provider, a key of `PROVIDERS`.
        tf32: whether CUDA's provider may compute float32 in TF32, which is its own default.
    """

    def __init__(self, folder: Path, manifest: Manifest, precision: Precision, provider: str, *, tf32: bool) -> None:
        self._path = folder / manifest.graphs["float32" if precision == "bfloat16" else precision]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = available_cpus()
        options.inter_op_num_threads = 1
        # Threads that wait for each other spin. For long, as by default, they would take the processors from the decode
        # children; not at all, each run would take longer.
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_US))
        # Memory patterns keep one block of memory for each shape beside the arena: 231 MB instead of 157 for the
        # default bundle, and no faster.
        options.enable_mem_pattern = provider != "cpu"
        self._options = options
        self._manifest = manifest
        self._precision = precision
        self._provider = provider
        settings = _settings(provider, precision, tf32=tf32)
        self._run = self._on_gpu(settings) if provider == "cuda" else self._plain(settings)

    def __call__(self, clips: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        """Score clips (B, T, H, W, 3); return (B, columns) for each task."""
        return self._run(clips)

    def _on_gpu(self, settings: dict[str, str]) -> Run:
        columns = {task.output: len(task.names) for task in self._manifest.tasks}
        try:
            return CudaGraphRuns(self._open({**settings, "enable_cuda_graph": "1"}), self._manifest.input.name, columns)
        except Exception as error:  # ONNX Runtime has many error types
            reason = str(error)
        # Outside the block, so that the first session's memory is free.
        log.warning("no CUDA graphs, each kernel is launched by itself", graph=self._path.name, reason=reason)
        return self._plain(settings)

    def _plain(self, settings: dict[str, str]) -> Run:
        session, name = self._open(settings), self._manifest.input.name
        outputs = [task.output for task in self._manifest.tasks]
        return lambda clips: session.run(outputs, {name: clips})

    def _open(self, settings: dict[str, str]) -> onnxruntime.InferenceSession:
        try:
            session = onnxruntime.InferenceSession(
                self._path, sess_options=self._options, providers=[(PROVIDERS[self._provider], settings)]
            )
        except Exception as error:  # ONNX Runtime has many error types
            advice = "" if self._precision == "float32" else f" MIEN_PRECISION=float32 does without {self._precision}."
            raise BundleRefused(f"ONNX Runtime cannot open {self._path}: {error}{advice}") from error
        # If a provider fails to load, ONNX Runtime only warns and falls back to the CPU.
        if session.get_providers()[0] != PROVIDERS[self._provider]:
            raise Misconfigured(
                f"{PROVIDERS[self._provider]} could not be loaded on this machine. Install what it needs, or name "
                "another provider in MIEN_PROVIDERS."
            )
        session.disable_fallback()  # a GPU that fails later must not become a processor silently
        _check(session, self._path, self._manifest)
        return session


def _settings(provider: str, precision: Precision, *, tf32: bool) -> dict[str, str]:
    """Return the provider's own settings."""
    if provider == "cuda":
        return {"use_tf32": str(int(tf32))}
    if provider == "openvino":  # on some processors it computes in bfloat16 unless told not to
        hint = "bf16" if precision == "bfloat16" else "f32"
        return {
            "device_type": "CPU",
            "num_of_threads": str(available_cpus()),
            "load_config": json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": hint}}),
        }
    return {}


def _check(session: onnxruntime.InferenceSession, path: Path, manifest: Manifest) -> None:
    """Check that a graph takes and gives what the manifest says.

    Raises:
        BundleRefused: it does not.
    """
    inputs = {tensor.name: tensor for tensor in session.get_inputs()}
    tensor = inputs.get(manifest.input.name)
    if len(inputs) != 1 or tensor is None or tensor.type != "tensor(uint8)":
        raise BundleRefused(f"The graph {path} does not take one uint8 tensor named {manifest.input.name}.")
    if tuple(tensor.shape[1:]) != manifest.input.shape or isinstance(tensor.shape[0], int):
        raise BundleRefused(f"The graph {path} takes {tensor.shape}, not (B, {manifest.input.shape}) with any B.")
    outputs = {tensor.name: tensor for tensor in session.get_outputs()}
    for task in manifest.tasks:
        count = len(task.names)
        output = outputs.get(task.output)
        if output is None or output.shape[-1] != count or output.type != "tensor(float)":
            raise BundleRefused(f"The graph {path} has no float32 output {task.output} of {count} columns.")
    if manifest.embedding not in outputs:
        raise BundleRefused(f"The graph {path} has no output {manifest.embedding}.")
