"""Render a clip: draw a person, a behaviour and a scene, then film them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from model.errors import ModelError
from model.render.behaviour import SHAPES, Behaviour, draw_behaviour
from model.render.head import Floats, Head
from model.render.people import Mover, draw_person
from model.render.rasterise import Rasteriser
from model.render.scenes import develop, draw_film, draw_scene, gain_of
from model.render.skin import skin_tone
from model.unfinished import unfinished, writing

FPS = Fraction(25, 2)  # the default model's frame rate
FRAMES = 16
_SIZE = 192  # side of the rendered picture, pixels


@dataclass(frozen=True, eq=False)
class RenderedClip:
    """A clip.

    Attributes:
        frames: (T, H, W, 3), display RGB.
        behaviour: the person's behaviour.
        landmarks: (T, 68, 2), where the head's are in the picture, right and down, in shares of its side; some may be
            hidden or outside.
        quality: H.264's constant rate factor.
        skin: the class of the person's skin tone.
        age: the person's, 0 for a young adult to 1 for an old one.
    """

    frames: NDArray[np.uint8]
    behaviour: Behaviour
    landmarks: Floats
    quality: int
    skin: str
    age: float


class Studio:
    """Render clips with one head; owns an OpenGL context.

    Args:
        head: the morphable head.

    Raises:
        ModelError: the head lacks an expression shape, or OpenGL cannot render without a screen.
    """

    def __init__(self, head: Head) -> None:
        if missing := SHAPES.difference(head.names):
            raise ModelError(f"The head lacks expression shapes: {', '.join(sorted(missing))}.")
        self._head = head
        self._mover = Mover(head)
        self._rasteriser = Rasteriser(_SIZE)

    def clip(self, seed: int, number: int) -> RenderedClip:
        """Render a clip; the same seed and number give the same clip."""
        who, what, where, how = (np.random.default_rng([seed, number, part]) for part in range(4))
        times = np.arange(FRAMES, dtype=np.float32) / float(FPS)
        person = draw_person(self._head, who)
        behaviour = draw_behaviour(times, what)
        film = draw_film(how)
        weights = np.zeros((len(times), len(self._head.names)), np.float32)
        for name, weight in behaviour.shapes.items():
            weights[:, self._head.names.index(name)] = weight
        places, normals = self._mover.pose(person, weights, _turns(behaviour.turns))
        centre = (self._head.at(27)[0] + self._head.at(8)[0]) / 2
        scene = draw_scene(times, _SIZE, centre.astype(np.float32), person.skin, where)
        self._rasteriser.take(person.paint, person.triangles, person.opaque)
        frames, gain, before = [], 0.0, None
        for moment in range(len(times)):
            drawn = self._rasteriser.draw(
                places[moment],
                normals[moment],
                view=scene.view[moment],
                eye=scene.eye,
                shadow_view=scene.shadow_view,
                lighting=scene.lighting,
            )
            gain = gain or gain_of(drawn, film)
            picture = develop(drawn, gain, moment, scene, film)
            if film.smear and before is not None:
                picture = picture + film.smear * (before - picture)
            before = picture
            frames.append(_noisy(_lens(picture, film.size, film.blur), film.noise, how))
        return RenderedClip(
            frames=np.stack(frames),
            behaviour=behaviour,
            landmarks=_seen_at(places[:, self._head.landmarks], scene.view),
            quality=film.quality,
            skin=skin_tone(person.skin),
            age=person.age,
        )

    def close(self) -> None:
        """Release the OpenGL context."""
        self._rasteriser.close()


def write_clip(clip: RenderedClip, path: Path) -> None:
    """Write a clip as H.264 in MP4.

    Raises:
        ModelError: the file cannot be written, because the disk is full, say.
    """
    with writing(path), unfinished(path) as half, av.open(str(half), "w") as container:
        options = {"preset": "veryfast", "crf": str(clip.quality)}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width = clip.frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for picture in clip.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _turns(angles: Floats) -> Floats:
    """Compute rotation matrices (T, 3, 3) by yaw, then pitch, then roll (T, 3)."""
    found = np.empty((len(angles), 3, 3), np.float32)
    for k, (yaw, pitch, roll) in enumerate(angles):
        (cy, cp, cr), (sy, sp, sr) = np.cos((yaw, pitch, roll)), np.sin((yaw, pitch, roll))
        around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        around_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        found[k] = around_y @ around_x @ around_z
    return found


def _seen_at(places: Floats, view: Floats) -> Floats:
    """Project points (T, N, 3) with cameras (T, 4, 4) to (T, N, 2), right and down, in shares of the picture."""
    clip = np.pad(places, ((0, 0), (0, 0), (0, 1)), constant_values=1) @ view.transpose(0, 2, 1)
    x, y = clip[..., 0] / clip[..., 3], clip[..., 1] / clip[..., 3]
    found: Floats = np.stack(((1 + x) / 2, (1 - y) / 2), axis=-1)
    return found


def _lens(picture: Floats, size: int, blur: float) -> Floats:
    """Downscale a picture to (size, size, 3) and blur it by `blur` pixels."""
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), blur) if blur else small, np.float32)


def _noisy(picture: Floats, noise: float, random: np.random.Generator) -> NDArray[np.uint8]:
    grain = random.normal(0, noise, picture.shape).astype(np.float32)
    return ((picture + grain).clip(0, 1) * 255 + 0.5).astype(np.uint8)
