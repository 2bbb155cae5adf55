from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray

from model.render import studio
from model.render.head import load_head
from service.vision.boxes import Box
from service.vision.faces import FaceDetector, open_detector
from tests.bench.figures import Figure
from tests.videos import SHARED, Picture

_PEOPLE, _SEED = 60, 19
_PICTURE = 320, 240  # pixels
_FACEKIT = SHARED / "facekit"
_TONES = {"light": {"very-light", "light", "intermediate"}, "tan or brown": {"tan", "brown"}, "dark": {"dark"}}
_JAW, _NOSE, _EYES = slice(2, 15), 29, (slice(36, 42), slice(42, 48))  # of the 68 landmarks

Find = Callable[[Picture], list[Box]]


@dataclass(frozen=True)
class _Shown:
    """A picture of a person, with the landmarks of the face in its pixels, (68, 2), right and down."""

    picture: Picture
    landmarks: NDArray[np.float64]


@dataclass(frozen=True)
class _Person:
    """A person who turns the head; `yaws` are in degrees."""

    skin: str
    yaws: NDArray[np.float64]
    shown: list[_Shown]


def run(_: Path) -> Iterator[Figure]:
    """Find rendered people (../shared/facekit) with the service's detector and with OpenCV's frontal cascade."""
    if not _FACEKIT.is_dir():
        return
    people = list(_people(_PEOPLE))
    detectors = {"YuNet": _sure(open_detector(None)), "cascade": _cascade()}
    for what, shown in _situations(people):
        for name, find in detectors.items():
            found = sum(_is_found(find(one.picture), one.landmarks) for one in shown)
            yield Figure(f"{name}, found in {len(shown)} pictures, {what}", 100 * found / len(shown), "%")


def _situations(people: Sequence[_Person]) -> Iterator[tuple[str, list[_Shown]]]:
    for low in range(0, 75, 15):  # pictures are 5 degrees apart
        turned = [
            _placed(shown)
            for person in people
            for yaw, shown in zip(np.abs(person.yaws), person.shown, strict=True)
            if low - 1 < yaw < low + 14
        ]
        yield f"head turned by {low} to {low + 10} degrees", turned
    frontal = [person.shown[0] for person in people]
    for tilt in (0, 15, 30, 45, 60):
        yield f"head tilted by {tilt} degrees", [_placed(one, tilt=tilt) for one in frontal]
    for side in (48, 32, 28, 24, 20, 16, 12):
        yield f"face of {side} in 320 × 240 pixels", [_placed(one, side=side) for one in frontal]
    for level in (80, 40, 20, 14, 10, 7, 5, 3):
        yield f"mean gray level {level}", [_darkened(one, level) for one in frontal]
    for tone, classes in _TONES.items():
        there = [person.shown[0] for person in people if person.skin in classes]
        yield f"{tone} skin", [_placed(one) for one in there]
        yield f"{tone} skin, mean gray level 20", [_darkened(one, 20) for one in there]
    yield "mouth and nose covered", [_covered(one, [[*one.landmarks[_JAW], one.landmarks[_NOSE]]]) for one in frontal]
    yield "eyes covered", [_covered(one, [_around(one.landmarks[eye]) for eye in _EYES]) for one in frontal]


def _people(count: int) -> Iterator[_Person]:
    """Yield people who turn their heads to one side, before the camera alone."""
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
            landmarks = clip.landmarks.astype(np.float64) * clip.frames.shape[1]
            shown = [_Shown(frame, points) for frame, points in zip(clip.frames, landmarks, strict=True)]
            yield _Person(clip.skin, np.rad2deg(clip.behaviour.turns[:, 0]), shown)
        camera.close()


def _sure(detector: FaceDetector) -> Find:
    return lambda picture: [one.box for one in detector(picture) if one.sure]


def _cascade() -> Find:
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def find(picture: Picture) -> list[Box]:
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        return [Box(*box) for box in cascade.detectMultiScale(gray, 1.1, 3, minSize=(12, 12))]

    return find


def _is_found(boxes: Sequence[Box], landmarks: NDArray[np.float64]) -> bool:
    """Return whether a box is where the landmarks are, and half to twice as large."""
    first, last = landmarks.min(0), landmarks.max(0)
    side = max(last - first)
    middles = [np.array((box.x + box.w / 2, box.y + box.h / 2)) for box in boxes]
    return any(
        ((first <= middle) & (middle <= last)).all() and side / 2 < box.w < 2 * side
        for middle, box in zip(middles, boxes, strict=True)
    )


def _placed(shown: _Shown, *, side: float = 80, tilt: float = 0) -> _Shown:
    """Return a picture of a person in its middle: the face about `side` pixels high, turned by `tilt` degrees."""
    width, height = _PICTURE
    person = shown.picture
    scale = side / (0.55 * len(person))  # faces have 40 to 68 % of the rendered picture
    small = cv2.resize(person, None, fx=min(scale, 1.0), fy=min(scale, 1.0), interpolation=cv2.INTER_AREA)
    middle = len(small) / 2
    to = cv2.getRotationMatrix2D((middle, middle), tilt, max(scale, 1.0))
    to[:, 2] += width / 2 - middle, height / 2 - middle
    picture = cv2.warpAffine(small, to, _PICTURE, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
    landmarks = shown.landmarks * len(small) / len(person) @ to[:, :2].T + to[:, 2]
    return _Shown(picture, landmarks)


def _darkened(shown: _Shown, level: float) -> _Shown:
    """Return a person's picture with a mean gray level, and a camera's noise of one gray level."""
    placed = _placed(shown)
    picture = placed.picture.astype(np.float32)
    noise = np.random.default_rng(_SEED).normal(0, 1, picture.shape)
    dark = np.clip(np.round(picture * min(1.0, level / picture.mean()) + noise), 0, 255).astype(np.uint8)
    return replace(placed, picture=dark)


def _covered(shown: _Shown, outlines: Sequence[Any]) -> _Shown:
    """Return a person's picture with plain parts, as a mask or dark glasses are."""
    picture = shown.picture.copy()
    for outline in outlines:
        cv2.fillPoly(picture, [np.round(outline).astype(np.int32)], (60, 70, 80))
    return _placed(replace(shown, picture=picture))


def _around(eye: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the outline of a glass before an eye."""
    return eye.mean(0) + (eye - eye.mean(0)) * (2, 5)
