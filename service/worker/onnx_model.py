"""Run bundles on ONNX Runtime: open them, check them against their manifests, and warm them up.

Only a model's batch sizes are run: ONNX Runtime's memory arena grows with each new shape and never shrinks. The largest
is run before the model is ready, so that its memory is allocated. On a GPU all are, because the kernels of a
shape are chosen at its first run.
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
from service.worker.precision import PrecisionSetting, candidates, choose, try_out
from service.worker.session import PROVIDERS, Session

_CPU_BATCHES = (1, 2, 4)  # larger batches are no faster there, and hold up the clips that come meanwhile
_GPU_BATCHES = (*_CPU_BATCHES, 8, 16)
_BATCH_SIZES = {
    "cpu": _CPU_BATCHES,
    "openvino": _CPU_BATCHES,
    "tensorrt": _GPU_BATCHES,  # it builds an engine for each, which takes long
    "cuda": (*_GPU_BATCHES, 32, 64),
}


class OnnxModel:
    """A served bundle.

    Args:
        folder: the bundle's.
        provider: name of the execution provider, a key of `PROVIDERS`.
        precision: which of the bundle's graphs to run; `auto` tries those that suit the provider (`precision.py`).
        tf32: whether CUDA's provider may compute float32 in TF32, which is its own default.

    Attributes:
        manifest: the bundle's manifest.
        info: description of the model in results.
        served: description of the model at `/models`.
        provider: name of the execution provider.
        batch_sizes: the batch sizes in use, the smallest first.
        trials: what each precision did where several were tried.
    """

    def __init__(
        self, folder: Path, provider: str, *, precision: PrecisionSetting = "float32", tf32: bool = False
    ) -> None:
        self.manifest, sha256 = read_bundle(folder)
        self.provider = provider
        self.batch_sizes = _BATCH_SIZES[provider]
        wanted = candidates(folder, self.manifest, provider, precision)
        sessions = {each: Session(folder, self.manifest, each, provider, tf32=tf32) for each in wanted}
        self.trials = try_out(sessions, self.manifest) if len(sessions) > 1 else {}
        chosen = choose(self.trials) if self.trials else wanted[0]
        self._session = sessions[chosen]
        columns = {task.kind: list(task.names) for task in self.manifest.tasks}
        self.info = ModelInfo(
            name=self.manifest.name,
            version=self.manifest.version,
            sha256=sha256,
            trained=self.manifest.training.trained,
            tasks=list(columns),
            precision=chosen,
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
        del sessions  # before the largest batch takes memory
        for size in self.batch_sizes[-1:] if provider == "cpu" else self.batch_sizes:
            self.run(np.zeros((size, *self.manifest.input.shape), np.uint8))

    def run(self, clips: NDArray[np.uint8]) -> list[dict[str, NDArray[np.float32]]]:
        """Score a batch.

        Args:
            clips: (B, T, H, W, 3), B one of `batch_sizes`.

        Returns:
            For each clip, each task's output tensor by its kind, shape (columns,).
        """
        outputs = self._session(clips)
        kinds = [task.kind for task in self.manifest.tasks]
        return [dict(zip(kinds, rows, strict=True)) for rows in zip(*outputs, strict=True)]


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


def open_models(
    folders: Sequence[Path], providers: Sequence[str], *, precision: PrecisionSetting = "auto", tf32: bool = False
) -> list[OnnxModel]:
    """Open and warm up every bundle; `precision` and `tf32` are those of `OnnxModel`.

    Raises:
        BundleRefused: a bundle is broken, or two bundles serve the same task.
        Misconfigured: no wanted provider is available, or a bundle does not have the precision.
    """
    provider = choose_provider(providers)
    if provider in ("cuda", "tensorrt"):
        onnxruntime.preload_dlls()  # CUDA and cuDNN from their wheels, if installed
    models = [OnnxModel(folder, provider, precision=precision, tf32=tf32) for folder in folders]
    served: dict[str, Manifest] = {}
    for model in models:
        for task in model.manifest.tasks:
            if task.kind in served:
                raise BundleRefused(f"{served[task.kind].name} and {model.manifest.name} both serve {task.kind}.")
            served[task.kind] = model.manifest
    return models
