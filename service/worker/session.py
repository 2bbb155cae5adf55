"""Open a bundle's graph with ONNX Runtime and check it against the manifest."""

from __future__ import annotations

import json
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
        path = folder / manifest.graphs["float32" if precision == "bfloat16" else precision]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = available_cpus()
        options.inter_op_num_threads = 1
        # Threads that wait for each other spin. For long, as by default, they would take the processors from the decode
        # children; not at all, each run would take longer.
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_US))
        # Memory patterns keep one block of memory for each shape beside the arena: 231 MB instead of 157 for the
        # default bundle, and no faster.
        options.enable_mem_pattern = provider != "cpu"
        try:
            self._session = onnxruntime.InferenceSession(
                path, sess_options=options, providers=[(PROVIDERS[provider], _settings(provider, precision, tf32=tf32))]
            )
        except Exception as error:  # ONNX Runtime has many error types
            advice = "" if precision == "float32" else f" MIEN_PRECISION=float32 does without {precision}."
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
