"""Draw how a face is filmed and cut out: a training clip as another camera, light and detector would have given it.

Grey faces of 48 pixels, coloured ones and rendered ones are told apart at a glance. What is drawn here makes them
overlap: a face of any of them may lose its colour, its detail or its light, and is cut out a little larger, aside or
askew, as detectors do.

Clips are RGB uint8 (T, H, W, 3). Everything is drawn once a clip, so that nothing flickers; only the camera moves.
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
    """How far what is drawn may go; 0 leaves a part out. Chances are in [0, 1], lengths in shares of a side."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: float = Field(0.15, ge=0, lt=1, description="A face is up to so much larger or smaller in its crop.")
    shift: float = Field(0.05, ge=0, description="And up to so far off its middle, along each side.")
    turn: float = Field(10, ge=0, description="And turned by up to so many degrees.")
    motion: float = Field(0.02, ge=0, description="The camera moves so far in a clip, with a hundredth in scale to it.")
    grey: float = Field(0.3, ge=0, le=1, description="Chance that colour is lost.")
    tint: float = Field(0.2, ge=0, description="Each colour is up to so much stronger or weaker.")
    light: float = Field(0.4, ge=0, description="Gamma is up to e to this power; brightness varies half as much.")
    side_light: float = Field(0.3, ge=0, le=1, description="Chance that light falls off from one side to the other.")
    detail: float = Field(0.4, ge=0, le=1, description="Chance that the face was smaller, down to 24 pixels.")
    noise: float = Field(0.2, ge=0, le=1, description="Chance of noise, up to 6 % of the range.")
    compression: float = Field(0.2, ge=0, le=1, description="Chance of JPEG compression, quality 20 to 80.")

    def __call__(self, clip: Frames, random: np.random.Generator) -> Frames:
        """Return the clip, (T, H, W, 3), filmed anew; the one handed in stays as it is."""
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
        """Cut the face out anew, with a camera that moves; the edge is repeated where nothing of it is left."""
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
        """Change light and colour: one curve for each colour, and a slope over the picture."""
        height, width = clip.shape[1:3]
        gamma = np.exp(random.uniform(-self.light, self.light))
        gain = np.exp(random.uniform(-self.light, self.light) / 2)
        lift = random.uniform(-0.1, 0.1) if self.light else 0.0
        grey = random.random() < self.grey
        tints = 1 + random.uniform(-self.tint, self.tint, 3) * (not grey)
        if grey:
            clip = np.repeat(np.tensordot(clip, _LUMA, axes=1)[..., None], 3, axis=-1).astype(np.uint8)
        curves = (tints[:, None] * gain * _SHADES**gamma + lift).clip(0, 1) * 255  # (3, 256)
        table = np.ascontiguousarray(curves.astype(np.uint8).T)[None]  # (3, 256) → (1, 256, 3), as OpenCV wants it
        tall = clip.reshape(-1, width, 3)  # (T, H, W, 3) → (T·H, W, 3)
        clip = cv2.LUT(tall, table).astype(np.uint8, copy=False).reshape(clip.shape)
        if random.random() < self.side_light:
            clip = (clip * _slope(height, width, random)).clip(0, 255).astype(np.uint8)
        return clip


def _slope(height: int, width: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Draw how light falls off, (H, W, 1): from 1 ± up to 0.6 on one side to 1 ∓ as much on the other."""
    angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0, 0.6)
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    slope: NDArray[np.float32] = (1 + strength * (np.cos(angle) * across + np.sin(angle) * down)).astype(np.float32)
    return slope[..., None]


def _coarser(clip: Frames, random: np.random.Generator) -> Frames:
    """Return the clip as it would be of a smaller face."""
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
