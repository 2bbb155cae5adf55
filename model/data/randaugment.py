"""RandAugment (Cubuk et al., arXiv 1909.13719) for clips: the same random operations for all frames.

Operations that need statistics (darkest colour, histogram) compute them over the whole clip, to avoid flicker.

Clips are RGB uint8 (T, H, W, 3). A level is in [0, 10], a sign is ±1. Strengths are those of timm's increasing
operations, which the published recipe uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Operation = Callable[[Frames, float, int], Frames]
"""(clip, level, sign) → clip."""

HIGHEST = 10.0
FILL = (124, 116, 104)  # ImageNet's mean colour, for pixels outside the picture

_APPLIED = 0.5  # probability of applying a drawn operation
_SHADES = np.arange(256, dtype=np.float64)


def randaugment(clip: Frames, random: np.random.Generator, *, magnitude: float, layers: int, std: float) -> Frames:
    """Apply up to `layers` random operations to a clip.

    Args:
        clip: (T, H, W, 3).
        random: the random generator.
        magnitude: mean of the level.
        layers: number of operations drawn.
        std: standard deviation of the level.
    """
    operations = list(OPERATIONS.values())
    for _ in range(layers):
        operation = operations[random.integers(len(operations))]
        level = min(HIGHEST, max(0.0, random.normal(magnitude, std)))
        sign = 1 if random.random() < 0.5 else -1
        if random.random() < _APPLIED:
            clip = operation(clip, level, sign)
    return clip


def _looked_up(clip: Frames, shades: NDArray[np.float64]) -> Frames:
    """Apply a lookup table: (256,) for all channels, or (3, 256)."""
    table = np.clip(np.rint(shades), 0, 255).astype(np.uint8)
    if table.ndim == 2:
        table = np.ascontiguousarray(table.T)[None]  # (3, 256) → (1, 256, 3), for OpenCV
    tall = clip.reshape(-1, clip.shape[2], 3)  # (T, H, W, 3) → (T·H, W, 3)
    return cv2.LUT(tall, table).astype(np.uint8, copy=False).reshape(clip.shape)


def _histograms(clip: Frames) -> NDArray[np.float64]:
    """Compute the histogram of each channel, (3, 256)."""
    tall = clip.reshape(-1, clip.shape[2], 3)
    return np.stack([cv2.calcHist([tall], [c], None, [256], [0, 256])[:, 0] for c in range(3)]).astype(np.float64)


def _factor(level: float, sign: int) -> float:
    return 1 + sign * 0.9 * level / HIGHEST


def _each(clip: Frames, change: Callable[[Frames], object]) -> Frames:
    """Apply a function to each frame, (H, W, 3)."""
    return np.stack([np.asarray(change(frame), dtype=np.uint8) for frame in clip])


def _blend(clip: Frames, other: Callable[[Frames], cv2.typing.MatLike], factor: float) -> Frames:
    """Blend `other` of each frame (factor 0) with the frame (1), or extrapolate beyond it (above 1)."""
    return _each(clip, lambda frame: cv2.addWeighted(frame, factor, other(frame), 1 - factor, 0))


def _auto_contrast(clip: Frames, _level: float, _sign: int) -> Frames:
    there = _histograms(clip) > 0
    low, high = there.argmax(axis=1)[:, None], 255 - there[:, ::-1].argmax(axis=1)[:, None]
    stretched = (_SHADES - low) * 255 / np.maximum(high - low, 1)
    return _looked_up(clip, np.where(high > low, stretched, _SHADES))


def _equalize(clip: Frames, _level: float, _sign: int) -> Frames:
    counts = _histograms(clip)
    below = counts.cumsum(axis=1)
    darkest = np.take_along_axis(counts, (counts > 0).argmax(axis=1)[:, None], axis=1)
    others = below[:, -1:] - darkest
    return _looked_up(clip, np.where(others > 0, (below - darkest) * 255 / np.maximum(others, 1), _SHADES))


def _invert(clip: Frames, _level: float, _sign: int) -> Frames:
    return _looked_up(clip, 255 - _SHADES)


def _posterize(clip: Frames, level: float, _sign: int) -> Frames:
    step = 2 ** (8 - (4 - int(level / HIGHEST * 4)))
    return _looked_up(clip, _SHADES // step * step)


def _solarize(clip: Frames, level: float, _sign: int) -> Frames:
    darker = 256 - int(level / HIGHEST * 256) > _SHADES
    return _looked_up(clip, np.where(darker, _SHADES, 255 - _SHADES))


def _solarize_add(clip: Frames, level: float, _sign: int) -> Frames:
    return _looked_up(clip, np.where(_SHADES < 128, _SHADES + int(level / HIGHEST * 110), _SHADES))


def _colour(clip: Frames, level: float, sign: int) -> Frames:
    def gray(frame: Frames) -> cv2.typing.MatLike:
        return cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)

    return _blend(clip, gray, _factor(level, sign))


def _contrast(clip: Frames, level: float, sign: int) -> Frames:
    mean = float(np.dot(_histograms(clip) @ _SHADES, (0.299, 0.587, 0.114)) * 3 / clip.size)
    return _looked_up(clip, mean + _factor(level, sign) * (_SHADES - mean))


def _brightness(clip: Frames, level: float, sign: int) -> Frames:
    return _looked_up(clip, _factor(level, sign) * _SHADES)


def _sharpness(clip: Frames, level: float, sign: int) -> Frames:
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13
    return _blend(clip, lambda frame: cv2.filter2D(frame, -1, kernel), _factor(level, sign))


def _affine(
    clip: Frames, x: tuple[float, float] = (1, 0), y: tuple[float, float] = (0, 1), shift: tuple[float, float] = (0, 0)
) -> Frames:
    """Apply an affine map: pixel p, from the centre, gets that at (x · p, y · p) + `shift` (in shares of a side)."""
    height, width = clip.shape[1:3]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    turn = np.array([x, y])
    at = np.column_stack([turn, middle - turn @ middle + np.multiply(shift, (width, height))])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return _each(clip, lambda frame: cv2.warpAffine(frame, at, (width, height), flags=flags, borderValue=FILL))


def _rotate(clip: Frames, level: float, sign: int) -> Frames:
    angle = sign * level / HIGHEST * math.radians(30)
    return _affine(clip, x=(math.cos(angle), -math.sin(angle)), y=(math.sin(angle), math.cos(angle)))


def _shear_x(clip: Frames, level: float, sign: int) -> Frames:
    return _affine(clip, x=(1, sign * level / HIGHEST * 0.3))


def _shear_y(clip: Frames, level: float, sign: int) -> Frames:
    return _affine(clip, y=(sign * level / HIGHEST * 0.3, 1))


def _translate_x(clip: Frames, level: float, sign: int) -> Frames:
    return _affine(clip, shift=(sign * level / HIGHEST * 0.45, 0))


def _translate_y(clip: Frames, level: float, sign: int) -> Frames:
    return _affine(clip, shift=(0, sign * level / HIGHEST * 0.45))


OPERATIONS: dict[str, Operation] = {
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "invert": _invert,
    "rotate": _rotate,
    "posterize": _posterize,
    "solarize": _solarize,
    "solarize_add": _solarize_add,
    "colour": _colour,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}
