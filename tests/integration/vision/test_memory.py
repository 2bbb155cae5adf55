"""The memory that reading a video takes: bounded for large pictures, and independent of the video's length."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import cv2
import numpy as np

from service.vision.clips import ClipSpec, Limits, read_clips
from service.vision.faces import open_detector
from tests.videos import Actor, picture, scene, still, write_video

ROOT = Path(__file__).resolve().parents[3]
LIMITS = Limits(max_pixels=8192 * 4320, max_duration_s=3600, max_frames=10**6)
SPEC = ClipSpec(frames=16, interval_s=0.08, size=112, margin=0.2, hop_s=0.5)


def test_four_k_fits_into_a_gibibyte_of_addresses(tmp_path):
    frames = [cv2.resize(picture(0, [still()], (640, 360)), (3840, 2160))] * 6
    path = write_video(tmp_path / "v.mp4", frames, options={"preset": "medium"})
    code = (
        "import resource, sys; from math import inf; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "from pathlib import Path\n"
        "from service.vision.clips import *\n"
        "from service.vision.faces import open_detector\n"
        f"limits, spec = {LIMITS!r}, {SPEC!r}\n"
        "found = read_clips(Path(sys.argv[1]), [spec], detector=open_detector(None), limits=limits, faces=8)\n"
        "for event in found: pass\n"
        "print(event.samples)\n"
    )
    environment = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}  # as a server sets them

    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], env=environment, cwd=ROOT, capture_output=True, check=False
    )

    assert (done.stdout.strip(), done.stderr) == (b"3", b"")


def peak_of(path):
    tracemalloc.start()
    for event in read_clips(path, [SPEC], detector=open_detector(None), limits=LIMITS, faces=8):
        del event
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_videos_length(tmp_path):
    actor = Actor(lambda time: (0.5 + 0.1 * np.sin(time), 0.45, 0.4))
    short, long = (
        write_video(tmp_path / f"{s}.mp4", scene([actor], seconds=s, fps=12.5, size=(160, 120)), fps=12.5)
        for s in (5, 20)
    )
    peak_of(short)  # what is loaded once, some of it late

    assert peak_of(long) < 1.1 * peak_of(short)
