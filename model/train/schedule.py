"""Schedule the learning rate: linear warm-up, then cosine decay."""

from __future__ import annotations

import math


def cosine(step: int, *, steps: int, warmup: int, peak: float, end: float) -> float:
    """Compute the learning rate of a step.

    Args:
        step: 0 … steps - 1.
        steps: steps of the whole run.
        warmup: steps until the peak is reached; the first of them has peak / warmup.
        peak: the highest rate.
        end: the rate after the last step.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return end + (peak - end) * (1 + math.cos(math.pi * done)) / 2
