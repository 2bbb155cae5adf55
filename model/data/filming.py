"""Augment clips with random crop, colour, light, resolution, noise and compression (domain randomisation).

Grey faces of 48 pixels, colour pictures and rendered faces are easy to tell apart. These augmentations make the three
domains overlap: they remove colour, detail or light, and scale, shift and rotate the crop as detectors do.

Clips are RGB uint8 (T, H, W, 3). Parameters are drawn once for each clip, to avoid flicker; only the camera moves.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Frames = NDArray[np.uint8]

_SHADES = np.linspace(0, 1, 256, dtype=np.float32)
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601


class Filming(BaseModel):
    """Strengths and probabilities of the augmentations; 0 disables one. Lengths are shares of the crop's side."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: float = Field(0.15, ge=0, lt=1, description="Maximum relative change of the face's size in its crop.")
    shift: float = Field(0.05, ge=0, description="Maximum shift of the crop along each side.")
    turn: float = Field(10, ge=0, description="Maximum rotation in degrees.")
    motion: float = Field(
        0.02, ge=0, description="Maximum camera motion over the clip; the scale changes by up to half as much."
    )
    grey: float = Field(0.3, ge=0, le=1, description="Probability of conversion to greyscale.")
    tint: float = Field(0.2, ge=0, description="Maximum relative gain of each colour channel.")
    light: float = Field(0.4, ge=0, description="Maximum absolute logarithm of gamma; brightness varies half as much.")
    side_light: float = Field(0.3, ge=0, le=1, description="Probability of a brightness gradient across the picture.")
    detail: float = Field(0.4, ge=0, le=1, description="Probability of a lower resolution, down to 24 pixels.")
    noise: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Probability of Gaussian noise, with a standard deviation of up to 6 % of the range.",
    )
    compression: float = Field(
        0.2, ge=0, le=1, description="Probability of JPEG compression with a quality from 20 to 80."
    )

    def __call__(self, clip: Frames, random: np.random.Generator) -> Frames:
        """Return an augmented copy of the clip, (T, H, W, 3)."""
        clip = self._framed(clip, random)
        if random.random() < self.detail:
            clip = _coarser(clip, random)
        clip = self._lit(clip, random)
        if random.random() < self.noise:
            grain = random.normal(0, random.uniform(0, 0.06) * 255, clip.shape[1:]).astype(np.float32)
            clip = (clip + grain).clip(0, 255).astype(np.uint8)
        if random.random() < self.compression:
            clip = _compressed(clip, int(random.integers(20, 81)))
        return clip

    def _framed(self, clip: Frames, random: np.random.Generator) -> Frames:
        """Scale, shift and rotate the crop, with camera motion; border pixels are replicated."""
        times, height, width = clip.shape[:3]
        size = np.array((width, height))
        scale = np.exp(random.uniform(-1, 1) * np.log1p(self.scale))
        turn = random.uniform(-self.turn, self.turn)
        shift = random.uniform(-self.shift, self.shift, 2) * size
        drift, growth = random.uniform(-self.motion, self.motion, 2) * size, random.uniform(-1, 1) * self.motion / 2
        framed: list[Frames] = []
        for moment in np.linspace(-0.5, 0.5, times) if times > 1 else (0.0,):
            view = cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale * (1 + moment * growth))
            view[:, 2] += shift + moment * drift
            picture = cv2.warpAffine(clip[len(framed)], view, (width, height), borderMode=cv2.BORDER_REPLICATE)
            framed.append(picture.astype(np.uint8, copy=False))
        return np.stack(framed)

    def _lit(self, clip: Frames, random: np.random.Generator) -> Frames:
        """Change light and colour: a tone curve for each channel, and a brightness gradient."""
        height, width = clip.shape[1:3]
        gamma = np.exp(random.uniform(-self.light, self.light))
        gain = np.exp(random.uniform(-self.light, self.light) / 2)
        lift = random.uniform(-0.1, 0.1) if self.light else 0.0
        grey = random.random() < self.grey
        tints = 1 + random.uniform(-self.tint, self.tint, 3) * (not grey)
        if grey:
            clip = np.repeat(np.tensordot(clip, _LUMA, axes=1)[..., None], 3, axis=-1).astype(np.uint8)
        curves = (tints[:, None] * gain * _SHADES**gamma + lift).clip(0, 1) * 255  # (3, 256)
        table = np.ascontiguousarray(curves.astype(np.uint8).T)[None]  # (3, 256) → (1, 256, 3), for OpenCV
        tall = clip.reshape(-1, width, 3)  # (T, H, W, 3) → (T·H, W, 3)
        clip = cv2.LUT(tall, table).astype(np.uint8, copy=False).reshape(clip.shape)
        if random.random() < self.side_light:
            clip = (clip * _slope(height, width, random)).clip(0, 255).astype(np.uint8)
        return clip


def _slope(height: int, width: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Draw a brightness gradient, (H, W, 1): from 1 + s on one side to 1 − s on the other, s up to 0.6."""
    angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0, 0.6)
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    slope: NDArray[np.float32] = (1 + strength * (np.cos(angle) * across + np.sin(angle) * down)).astype(np.float32)
    return slope[..., None]


def _coarser(clip: Frames, random: np.random.Generator) -> Frames:
    """Reduce the clip's resolution: downscale it, then upscale it."""
    height, width = clip.shape[1:3]
    side = round(float(np.exp(random.uniform(np.log(24), np.log(max(25, min(height, width)))))))
    kind = cv2.INTER_LINEAR if random.random() < 0.5 else cv2.INTER_CUBIC
    small = [cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for picture in clip]
    return np.stack([cv2.resize(picture, (width, height), interpolation=kind) for picture in small]).astype(
        np.uint8, copy=False
    )


def _compressed(clip: Frames, quality: int) -> Frames:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    jpegs = [cv2.imencode(".jpg", picture, options)[1] for picture in clip]
    return np.stack([np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8) for jpeg in jpegs])
