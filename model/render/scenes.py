"""Draw scenes: camera, light, background, occluders, and the camera's image processing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from model.render.head import Floats
from model.render.rasterise import Lighting

_FACE_CM = 17.0  # from brows to chin and a little more
_ACROSS_CM = 26.0  # half width of the shadow map


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene of T moments.

    Attributes:
        view: (T, 4, 4), the camera.
        eye: (3,), where it is, cm.
        lighting: the light.
        shadow_view: (4, 4), the scene as the first light sees it.
        background: (H, W, 3), display RGB 0–1, larger than the picture.
        shift: (T, 2), pixels by which the background moves.
        occluder: (T, H, W, 4) display RGB and cover, or None.
    """

    view: Floats
    eye: Floats
    lighting: Lighting
    shadow_view: Floats
    background: Floats
    shift: NDArray[np.intp]
    occluder: Floats | None


@dataclass(frozen=True)
class Film:
    """Image processing of a camera.

    Attributes:
        exposure: target of the face's median brightness, linear, 0–1.
        gamma: of the curve to display values.
        tint: (3,), gains of the channels.
        saturation: 0 for black and white.
        smear: share of the picture before that stays in the next.
        blur: pixels, of the lens.
        noise: standard deviation, display 0–1.
        size: pixels of the video's side.
        quality: H.264's constant rate factor.
    """

    exposure: float
    gamma: float
    tint: tuple[float, float, float]
    saturation: float
    smear: float
    blur: float
    noise: float
    size: int
    quality: int


def draw_scene(times: Floats, size: int, centre: Floats, skin: Floats, random: np.random.Generator) -> Scene:
    """Draw a scene.

    Args:
        times: (T,), seconds.
        size: side of the rasteriser's picture in pixels.
        centre: (3,), the middle of the face, cm.
        skin: linear RGB of the hands that may come before it.
        random: the random generator.
    """
    lighting = _lighting(random)
    zoom = random.uniform(1.8, 5.5)
    distance = zoom * _FACE_CM / (2 * random.uniform(0.4, 0.68))
    eye = centre + np.array([0, 0, distance], np.float32)
    shake = np.cumsum(random.normal(0, random.choice((0.0, 0.004, 0.012)), (len(times), 2)), axis=0)
    aim = random.normal(0, 0.07, 2) + shake
    occluder = _occluder(times, size, skin, random) if random.random() < 0.08 else None
    room = size + 32
    roll = random.normal(0, 0.03)
    return Scene(
        view=np.stack([_camera(eye, zoom, roll, at) for at in aim]),
        eye=eye,
        lighting=lighting,
        shadow_view=_from_light(lighting.to_light[0], centre),
        background=_background(room, random),
        shift=(np.stack((-aim[:, 1], aim[:, 0]), axis=1) * size / 2 * 0.5).clip(-15, 15).astype(np.intp) + 16,
        occluder=occluder,
    )


def draw_film(random: np.random.Generator) -> Film:
    """Draw the image processing of a camera."""
    warm = random.normal(0, 0.09)
    return Film(
        exposure=random.uniform(0.12, 0.42),
        gamma=random.uniform(1.9, 2.5),
        tint=(1 + warm, 1 + random.normal(0, 0.03), 1 - warm),
        saturation=0.0 if random.random() < 0.08 else random.uniform(0.55, 1.25),
        smear=random.uniform(0.1, 0.4) if random.random() < 0.2 else 0.0,
        blur=random.uniform(0.3, 1.2) if random.random() < 0.3 else 0.0,
        noise=random.choice((0.004, 0.015, 0.04), p=(0.6, 0.32, 0.08)) * random.uniform(0.3, 1.2),
        size=int(random.choice((112, 144, 192), p=(0.1, 0.25, 0.65))),
        quality=int(random.integers(16, 33)),
    )


def develop(drawn: NDArray[np.float16], gain: float, moment: int, scene: Scene, film: Film) -> Floats:
    """Convert a rendered picture to a camera picture.

    Args:
        drawn: (H, W, 4), linear RGB and cover.
        gain: factor for the light.
        moment: index of the scene's moment.
        scene: the scene.
        film: the camera.

    Returns:
        (H, W, 3), display RGB 0–1.
    """
    light = drawn[..., :3].astype(np.float32) * (gain * np.array(film.tint, np.float32))
    shown = np.power(light / (1 + np.maximum(light - 0.8, 0)) + 1e-6, 1 / film.gamma).clip(0, 1)
    size = len(drawn)
    down, right = scene.shift[moment]
    behind = scene.background[down : down + size, right : right + size]
    picture = behind + drawn[..., 3:].astype(np.float32) * (shown - behind)
    if scene.occluder is not None:
        before = scene.occluder[moment]
        picture = picture + before[..., 3:] * (before[..., :3] - picture)
    if film.saturation != 1:
        grey = picture @ np.array([0.299, 0.587, 0.114], np.float32)
        picture = grey[..., None] + film.saturation * (picture - grey[..., None])
    found: Floats = picture.clip(0, 1)
    return found


def gain_of(drawn: NDArray[np.float16], film: Film) -> float:
    """Compute the gain that exposes the centre of a rendered picture to the film's target."""
    third = len(drawn) // 3
    middle = drawn[third : 2 * third, third : 2 * third].astype(np.float32)
    light = middle[..., :3].mean(axis=-1)[middle[..., 3] > 0.5]
    return film.exposure / max(float(np.median(light)) if light.size else film.exposure, 1e-3)


def _lighting(random: np.random.Generator) -> Lighting:
    style = random.choice(3, p=(0.5, 0.3, 0.2))  # soft, harder, from one side
    azimuth = (
        random.normal(0, np.deg2rad(40)) if style < 2 else random.choice((-1, 1)) * np.deg2rad(random.uniform(55, 105))
    )
    elevation = np.deg2rad(random.uniform(-15, 65))
    others = random.uniform(-np.pi, np.pi, 2), np.deg2rad(random.uniform(-20, 60, 2))
    angles = [(azimuth, elevation), *zip(*others, strict=True)]
    to_light = np.array([(np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)) for a, e in angles], np.float32)
    key = random.uniform(0.6, 1.4)
    fill = (random.uniform(0.35, 0.9), random.uniform(0.15, 0.5), random.uniform(0.05, 0.35))[style] * key
    strengths = np.array([key, *(random.uniform(0, 0.5, 2) * key)])
    colours = np.stack([_light_colour(random) for _ in range(3)])
    around = _light_colour(random)
    return Lighting(
        to_light=to_light,
        light=(colours * strengths[:, None]).astype(np.float32),
        sky=(fill * around).astype(np.float32),
        ground=(fill * random.uniform(0.3, 0.9) * _light_colour(random)).astype(np.float32),
        softness=(random.uniform(0.2, 0.6), random.uniform(0, 0.25), random.uniform(0, 0.25))[style],
        shadow_depth=0.0 if style == 0 and random.random() < 0.6 else random.uniform(0.3, 0.95),
    )


def _light_colour(random: np.random.Generator) -> Floats:
    """Draw a light colour, linear RGB (3,): from lamplight to blue sky, rarely a coloured lamp."""
    if random.random() < 0.05:
        return random.uniform(0.2, 1.2, 3).astype(np.float32)
    warm = random.normal(0, 0.14)
    found: Floats = np.array([1 + warm, 1.0, 1 - warm], np.float32).clip(0.3, 1.7)
    return found


def _camera(eye: Floats, zoom: float, roll: float, aim: Floats) -> Floats:
    """Return the camera's matrix (4, 4); `aim` is the face's position in half pictures from the centre."""
    near, far = 5.0, 400.0
    c, s = np.cos(roll), np.sin(roll)
    project = np.array(
        [
            [zoom, 0, -aim[0], 0],
            [0, zoom, -aim[1], 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )
    turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    move = np.eye(4)
    move[:3, 3] = -eye
    found: Floats = (project @ turn @ move).astype(np.float32)
    return found


def _from_light(to_light: Floats, centre: Floats) -> Floats:
    """Return the orthographic view matrix (4, 4) of a directional light."""
    side = np.cross([0.0, 1.0, 0.01], to_light)
    side /= np.linalg.norm(side)
    axes = np.stack((side, np.cross(to_light, side), -to_light)) / _ACROSS_CM
    found = np.eye(4)
    found[:3, :3] = axes
    found[:3, 3] = -axes @ centre
    return found.astype(np.float32)


def _background(size: int, random: np.random.Generator) -> Floats:
    """Draw a background: a wall, a room or blurred colours, (size, size, 3)."""
    base = random.uniform(0.02, 0.95) + random.normal(0, 0.08, 3)
    slope = np.linspace(-1, 1, size)[:, None] * random.normal(0, 0.15) + np.linspace(-1, 1, size) * random.normal(
        0, 0.15
    )
    picture = (base + slope[..., None]).astype(np.float32)
    kind = random.choice(4, p=(0.15, 0.3, 0.3, 0.25))
    if kind in (1, 3):
        cells = int(random.integers(2, 14))
        spots = random.normal(0, random.uniform(0.05, 0.3), (cells, cells, 1)) + random.normal(
            0, 0.08, (cells, cells, 3)
        )
        picture += cv2.resize(spots.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    if kind in (2, 3):
        for _ in range(int(random.integers(2, 12))):
            x, y, w, h = (int(v) for v in random.integers((0, 0, 6, 6), (size, size, size // 2, size)))
            colour = tuple(float(v) for v in (random.uniform(0, 1) + random.normal(0, 0.15, 3)).clip(0, 1))
            if random.random() < 0.7:
                cv2.rectangle(picture, (x, y), (x + w, y + h), colour, -1)
            else:
                cv2.circle(picture, (x, y), w // 2, colour, -1)
    if random.random() < 0.7:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), random.uniform(0.6, 8)), np.float32)
    grain = random.normal(0, random.uniform(0, 0.05), (size, size, 1)).astype(np.float32)
    found: Floats = (picture + grain).clip(0, 1)
    return found


def _occluder(times: Floats, size: int, skin: Floats, random: np.random.Generator) -> Floats:
    """Draw a hand or object that occludes a part of the face: (T, size, size, 4), colour and alpha."""
    hand = random.random() < 0.6
    colour = np.power(skin * random.uniform(0.3, 1), 1 / 2.2) if hand else random.uniform(0, 1, 3)
    start = np.array([random.uniform(0.15, 0.85), random.uniform(0.62, 1.05)]) * size
    drift = random.normal(0, 0.12, 2) * size if random.random() < 0.6 else np.zeros(2)
    turn, scale = random.uniform(-0.9, 0.9), random.uniform(0.10, 0.19) * size
    up = np.array([np.sin(turn), -np.cos(turn)])
    side = np.array([up[1], -up[0]])
    found = np.zeros((len(times), size, size, 4), np.float32)
    shade = random.uniform(-0.3, 0.3)
    for k, share in enumerate(np.linspace(0, 1, len(times))):
        mask = np.zeros((size, size), np.float32)
        middle = start + share * drift
        if hand:
            _blob(mask, middle, middle - up * scale * 2.5, scale * 0.62)
            for finger in range(4):
                root = middle + up * scale * 0.3 + side * scale * (finger - 1.5) * 0.36
                _blob(
                    mask,
                    root,
                    root + (up + 0.12 * side * (finger - 1.5)) * scale * random.uniform(0.92, 1.0),
                    scale * 0.17,
                )
        else:
            _blob(mask, middle, middle - up * scale * 3, scale * 0.4)
        light = 1 + shade * np.linspace(-1, 1, size, dtype=np.float32)
        found[k, ..., :3] = (colour * light[:, None]).clip(0, 1)
        found[k, ..., 3] = cv2.GaussianBlur(mask, (0, 0), 1.2)
    return found


def _blob(mask: Floats, start: NDArray[np.float64], end: NDArray[np.float64], radius: float) -> None:
    first, last = (tuple(int(v) for v in p) for p in (start, end))
    cv2.line(mask, first, last, 1.0, max(1, int(2 * radius)), cv2.LINE_AA)
