"""Augment training clips in the data loader's processes.

A clip is RGB uint8 (T, H, W, 3) before and after. Random numbers are drawn once a clip and apply to all its frames;
the same generator state and clip give the same result. The loop converts a batch to floats with `as_floats`, on the
batch's device, and mixes it with `model.data.mix`.

Defaults are the paper's (Sun et al., SVFAP, arXiv 2401.00416), or the published recipe's where the paper gives none.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Literal, Protocol

import cv2
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from model.data.filming import Filming
from model.data.randaugment import FILL, HIGHEST, Frames, randaugment

_PLACES = (
    *((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)),
    *((0, 0.5), (1, 0.5), (0.5, 0), (0.5, 1)),
    *((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)),
)
"""Places of a part, across and down: 0 at the left and top, 1 at the right and bottom."""

STILL = 2
"""Frames of the shortest clip, one time step of the encoder."""


class Augmentation(Protocol):
    """A random change of a training clip."""

    def __call__(self, clip: Frames, random: np.random.Generator) -> Frames:
        """Return an augmented copy of the clip (T, H, W, 3)."""
        ...


_Share = Annotated[float, Field(gt=0, le=1)]


class PretrainAugmentation(BaseModel):
    """Augment a clip for pre-training: perhaps reduce it to one time step, then take a resized crop, never mirrored.

    The crop is at one of a few places and scales.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stills: bool = Field(False, description="Learn from one time step, two frames, of each clip: any two neighbours.")
    scales: tuple[_Share, ...] = Field((1, 0.875, 0.75, 0.66), description="The crop's sides, as shares of the clip's.")
    places: Literal[5, 13] = Field(
        5, description="Places of the crop: corners and middle; 13, as published, adds the edges' middles and quarters."
    )
    squeezed: bool = Field(
        False,
        description="Whether width and height may differ by one scale, as published; else faces keep their shape.",
    )

    def __call__(self, clip: Frames, random: np.random.Generator) -> Frames:
        """Return a crop of the clip, (T, H, W, 3); T is 2 of a still."""
        if self.stills:
            clip = _still(clip, random)
        height, width = clip.shape[1:3]
        sides = [(one, one) for one in self.scales]
        if self.squeezed:
            sides = [*sides, *pairwise(self.scales), *pairwise(self.scales[::-1])]
        wide, tall = sides[random.integers(len(sides))]
        across, down = _PLACES[random.integers(self.places)]
        w, h = round(wide * width), round(tall * height)
        return _resized_crop(clip, round(across * (width - w)), round(down * (height - h)), w, h)


class FinetuneAugmentation(BaseModel):
    """Augment a clip for fine-tuning, in this order.

    One time step (optional), filming, RandAugment, random resized crop, horizontal flip, random erasing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stills: bool = Field(False, description="Learn from one time step, two frames, of each clip: any two neighbours.")
    filming: Filming | None = Field(None, description="How the face is filmed and cut out anew; not the paper's.")
    magnitude: float = Field(7, ge=0, le=HIGHEST, description="RandAugment's mean level.")
    layers: int = Field(4, ge=0, description="RandAugment's operations.")
    std: float = Field(0.5, ge=0, description="Standard deviation of RandAugment's level.")
    area: tuple[_Share, _Share] = Field((0.08, 1), description="The crop's share of the picture, least and most.")
    ratio: float = Field(4 / 3, ge=1, description="Greatest ratio of the crop's longer side to its shorter side.")
    flip: float = Field(0.5, ge=0, le=1, description="Chance that a clip is mirrored.")
    erase: float = Field(0.25, ge=0, le=1, description="Chance that a rectangle is replaced by noise.")

    def __call__(self, clip: Frames, random: np.random.Generator) -> Frames:
        """Return the augmented clip, (T, H, W, 3); T is 2 of a still."""
        if self.stills:
            clip = _still(clip, random)
        if self.filming:
            clip = self.filming(clip, random)
        height, width = clip.shape[1:3]
        clip = randaugment(clip, random, magnitude=self.magnitude, layers=self.layers, std=self.std)
        clip = _resized_crop(clip, *_rectangle(width, height, random, area=self.area, ratio=self.ratio))
        if random.random() < self.flip:
            clip = clip[:, :, ::-1]
        if random.random() < self.erase:
            _erase(clip, random)
        return np.ascontiguousarray(clip)


def _still(clip: Frames, random: np.random.Generator) -> Frames:
    """Cut two neighbouring frames at random."""
    start = random.integers(len(clip) - STILL + 1)
    return clip[start : start + STILL]


def as_floats(pixels: Tensor) -> Tensor:
    """Convert a batch to the model's input: uint8 (B, T, H, W, 3) → float32 (B, 3, T, H, W) in [0, 1]."""
    return pixels.permute(0, 4, 1, 2, 3).to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def _resized_crop(clip: Frames, left: int, top: int, width: int, height: int) -> Frames:
    """Crop the clip and resize the crop to the clip's size."""
    size = clip.shape[2], clip.shape[1]
    parts = clip[:, top : top + height, left : left + width]
    return np.stack([cv2.resize(part, size).astype(np.uint8, copy=False) for part in parts])


def _rectangle(
    width: int, height: int, random: np.random.Generator, *, area: tuple[float, float], ratio: float
) -> tuple[int, int, int, int]:
    """Draw (left, top, width, height): a share of the area, sides up to `ratio` to 1, anywhere within."""
    share = random.uniform(*area)
    wide = math.exp(random.uniform(-1, 1) * math.log(ratio))
    w = min(width, max(1, round(width * math.sqrt(share * wide))))
    h = min(height, max(1, round(height * math.sqrt(share / wide))))
    return int(random.integers(width - w + 1)), int(random.integers(height - h + 1)), w, h


def _erase(clip: Frames, random: np.random.Generator) -> None:
    """Fill a rectangle of the clip, in place, with noise around ImageNet's mean colour."""
    left, top, w, h = _rectangle(clip.shape[2], clip.shape[1], random, area=(0.02, 1 / 3), ratio=10 / 3)
    noise = random.standard_normal((len(clip), h, w, 3), np.float32) * 57 + np.array(FILL, np.float32)
    clip[:, top : top + h, left : left + w] = noise.clip(0, 255).astype(np.uint8)
