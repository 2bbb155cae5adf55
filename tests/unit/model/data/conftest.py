import resource
from contextlib import contextmanager

import numpy as np
import pytest

from mien.contract.bundle import ClipInput, ExpressionTask, FaceCrop
from model.data.prepared import ClipRow, Prepared, write_prepared, write_rows
from model.tpsbt.normalise import IMAGENET_MEAN, IMAGENET_STD
from tests.videos import write_video

SHADES = 8  # gray levels between two frames of a numbered clip


def numbered(count, side=32):
    """Return frames whose gray level is their number."""
    return [np.full((side, side, 3), SHADES * index, np.uint8) for index in range(count)]


def numbers(pixels):
    """Return the numbers of the frames in a clip (T, H, W, 3)."""
    return [round(float(frame.mean()) / SHADES) for frame in np.asarray(pixels, np.float64)]


@contextmanager
def full_disk(size):
    """Let no file grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def clip_input():
    return lambda frames=4, size=32, interval_s=0.08: ClipInput(
        frames=frames, size=size, interval_s=interval_s, mean=IMAGENET_MEAN, std=IMAGENET_STD
    )


@pytest.fixture
def prepared(tmp_path):
    """Make a prepared folder of numbered clips; returns it and its rows."""

    def make(count=3, frames=30, fps=25.0, labels=("happiness", "sadness"), **changes):
        tasks = (ExpressionTask(labels=labels),)
        facts = {"name": "numbered", "tasks": tasks, "protocol": "fixed", "parts": ("train",)}
        facts |= {"interval_s": 0.08, "crop": FaceCrop(margin=0.2)}
        write_prepared(tmp_path, Prepared(**facts | changes))
        (tmp_path / "clips").mkdir()
        rows = []
        for index in range(count):
            write_video(tmp_path / f"clips/{index}.mp4", numbered(frames), fps=fps)
            about = {"id": f"clip {index}", "media": f"clips/{index}.mp4", "part": "train"}
            rows.append(ClipRow(**about, expression=labels[index % len(labels)]))
        write_rows(tmp_path, rows)
        return tmp_path, rows

    return make
