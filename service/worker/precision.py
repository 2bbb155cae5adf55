"""Choose the precision in which a worker runs a bundle: float32, or another that is clearly faster on this machine.

`auto` tries what suits the execution provider: whether a processor multiplies int8 or bfloat16 in hardware shows in the
time, and without that int8 may saturate, which shows in the outputs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.contract.bundle import VARIANT_TOLERANCE, Manifest, Precision, Task
from mien.contract.errors import Misconfigured

PrecisionSetting = Literal["auto", Precision]

CLEARLY_FASTER = 1.2
"""Another precision is taken if it runs this many times as many clips a second as float32."""

_SUITED: dict[str, Precision] = {"cpu": "int8", "cuda": "float16", "tensorrt": "float16", "openvino": "bfloat16"}
_CLIPS = 2
_ROUNDS = 3

Run = Callable[[NDArray[np.uint8]], Sequence[NDArray[np.float32]]]
"""Score clips (B, T, H, W, 3); return (B, columns) for each task."""


class Trial(NamedTuple):
    """What a precision does on this machine."""

    clips_per_s: float
    difference: float
    """Largest difference from float32's probabilities and values, as a share of their range."""


def candidates(folder: Path, manifest: Manifest, provider: str, wanted: PrecisionSetting) -> tuple[Precision, ...]:
    """Return the precisions to choose from, float32 first; only one if there is nothing to choose.

    Raises:
        Misconfigured: neither the bundle nor the provider has the wanted precision.
    """
    possible = set(manifest.graphs)
    if provider == "openvino":
        possible.add("bfloat16")
    if wanted == "auto":
        suited = _SUITED[provider]
        return ("float32", suited) if suited in possible else ("float32",)
    if wanted == "bfloat16" and wanted not in possible:
        raise Misconfigured(
            f"The provider {provider} does not compute in bfloat16. Install the extra openvino and name openvino first "
            "in MIEN_PROVIDERS, or set MIEN_PRECISION to auto."
        )
    if wanted not in possible:
        raise Misconfigured(
            f"{folder} holds no graph in {wanted}, only in {', '.join(manifest.graphs)}. Export it with "
            f"`--{wanted}`, or set MIEN_PRECISION to auto."
        )
    return (wanted,)


def try_out(runs: Mapping[Precision, Run], manifest: Manifest) -> dict[Precision, Trial]:
    """Run each precision on a few random clips, in turns; float32 is among them."""
    clips = np.random.default_rng(0).integers(0, 256, (_CLIPS, *manifest.input.shape), np.uint8)
    outputs = {precision: run(clips) for precision, run in runs.items()}  # the first run is slower than others
    seconds = dict.fromkeys(runs, float("inf"))
    for _ in range(_ROUNDS):
        for precision, run in runs.items():
            began = time.perf_counter()
            run(clips)
            seconds[precision] = min(seconds[precision], time.perf_counter() - began)
    return {
        precision: Trial(_CLIPS / seconds[precision], _difference(found, outputs["float32"], manifest.tasks))
        for precision, found in outputs.items()
    }


def choose(trials: Mapping[Precision, Trial]) -> Precision:
    """Return the fastest precision whose outputs are close to float32's; float32 if none is clearly faster."""
    float32 = trials["float32"]
    close = {precision: trial for precision, trial in trials.items() if trial.difference <= VARIANT_TOLERANCE}
    close["float32"] = float32  # also where it gives NaN itself
    fastest = max(close, key=lambda precision: close[precision].clips_per_s)
    return fastest if close[fastest].clips_per_s >= CLEARLY_FASTER * float32.clips_per_s else "float32"


def _difference(
    found: Sequence[NDArray[np.float32]], expected: Sequence[NDArray[np.float32]], tasks: Sequence[Task]
) -> float:
    gaps = []
    for ours, theirs, task in zip(found, expected, tasks, strict=True):
        widths = [high - low for low, high in task.ranges.values()]
        gaps.append(np.max(np.abs(ours - theirs) / widths))
    return float(np.max(gaps))  # NaN if any is, which is close to nothing
