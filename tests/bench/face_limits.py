from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray

from model.render import studio
from model.render.head import load_head
from service.vision.faces import FaceDetector, open_detector
from tests.bench.figures import Figure
from tests.videos import SHARED, Picture

_PEOPLE, _SEED = 40, 19
_PICTURE = 320, 240  # pixels
_FACEKIT = SHARED / "facekit"


def run(_: Path) -> Iterator[Figure]:
    """Rendered people (../shared/facekit) who are found for certain, by yaw, tilt, size and light."""
    if not _FACEKIT.is_dir():
        return
    detector = open_detector(None)
    people = list(_people(_PEOPLE))
    yaws = np.concatenate([yaws for yaws, _ in people])
    seen = np.array([_found(detector, _placed(one)) for _, frames in people for one in frames])
    for low in range(0, 75, 15):
        there = (np.abs(yaws) > low - 1) & (np.abs(yaws) < low + 14)  # 0, 5, 10
        yield Figure(f"people found, head turned by {low} to {low + 10} degrees", 100 * float(seen[there].mean()), "%")
    frontal = [frames[0] for _, frames in people]
    for tilt in (0, 10, 20, 30, 40, 50, 60):
        yield _share(detector, f"head tilted by {tilt} degrees", [_placed(one, tilt=tilt) for one in frontal])
    for side in (80, 48, 32, 28, 24, 20, 16, 12):
        yield _share(detector, f"face of {side} in 320 × 240 pixels", [_placed(one, side=side) for one in frontal])
    for level in (80, 40, 20, 14, 10, 7, 5, 3):
        yield _share(detector, f"mean gray level {level}", [_darkened(one, level) for one in frontal])


def _people(count: int) -> Iterator[tuple[NDArray[np.float64], Picture]]:
    """Yield for each person the yaw in degrees, (T,), and the pictures, (T, H, W, 3)."""
    draw_behaviour, draw_scene = studio.draw_behaviour, studio.draw_scene

    def turning(times: Any, random: np.random.Generator) -> Any:
        behaviour = draw_behaviour(times, random)
        turns = np.zeros_like(behaviour.turns)
        turns[:, 0] = np.deg2rad(np.linspace(0, 75, len(times))) * random.choice([-1, 1])
        return replace(behaviour, turns=turns)

    def unhindered(*what: Any) -> Any:
        return replace(draw_scene(*what), occluder=None)

    with patch.object(studio, "draw_behaviour", turning), patch.object(studio, "draw_scene", unhindered):
        camera = studio.Studio(load_head(_FACEKIT))
        for number in range(count):
            clip = camera.clip(_SEED, number)
            yield np.rad2deg(clip.behaviour.turns[:, 0]), clip.frames
        camera.close()


def _share(detector: FaceDetector, what: str, pictures: Sequence[Picture]) -> Figure:
    found = sum(_found(detector, one) for one in pictures)
    return Figure(f"people found, {what}", 100 * found / len(pictures), "%")


def _found(detector: FaceDetector, picture: Picture) -> bool:
    return any(one.sure for one in detector(picture))


def _placed(person: Picture, *, side: float = 80, tilt: float = 0) -> Picture:
    """Return a picture of a person in its middle: the face about `side` pixels high, turned by `tilt` degrees."""
    width, height = _PICTURE
    scale = side / (0.55 * len(person))  # faces have 40 to 68 % of the rendered picture
    small = cv2.resize(person, None, fx=min(scale, 1.0), fy=min(scale, 1.0), interpolation=cv2.INTER_AREA)
    middle = len(small) / 2
    to = cv2.getRotationMatrix2D((middle, middle), tilt, max(scale, 1.0))
    to[:, 2] += width / 2 - middle, height / 2 - middle
    return cv2.warpAffine(small, to, _PICTURE, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)


def _darkened(person: Picture, level: float) -> Picture:
    """Return a person's picture with a mean gray level, and a camera's noise of one gray level."""
    picture = _placed(person).astype(np.float32)
    noise = np.random.default_rng(_SEED).normal(0, 1, picture.shape)
    return np.clip(np.round(picture * min(1.0, level / picture.mean()) + noise), 0, 255).astype(np.uint8)
