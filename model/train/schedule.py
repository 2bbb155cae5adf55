"""The learning rate over a run: up in a straight line, then down half a cosine."""

from __future__ import annotations

import math


def cosine(step: int, *, steps: int, warmup: int, peak: float, end: float) -> float:
    """Return the learning rate of a step.

    Args:
        step: 0 … steps - 1.
        steps: of the whole run.
        warmup: steps until the peak is reached; the first of them has peak / warmup.
        peak: the greatest rate.
        end: what the rate comes down to after the last step.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return end + (peak - end) * (1 + math.cos(math.pi * done)) / 2
