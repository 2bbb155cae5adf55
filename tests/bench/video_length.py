from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from service.vision.clips import Progressed, read_clips
from service.vision.faces import open_detector
from tests.bench.figures import Figure
from tests.bench.samples import looped
from tests.bench.video_speed import LIMITS, default_spec

_UNTIL_S = (10.0, 60.0, 600.0, 3600.0)


def run(folder: Path) -> Iterator[Figure]:
    """Measure time and memory from file to clips through an hour of video."""
    yield from _as_it_goes_on(looped(folder, _UNTIL_S[-1], 360))


def _as_it_goes_on(video: Path) -> Iterator[Figure]:
    """Measure for each stretch of a video the processor time for a second of it, and resident memory at its end."""
    started, began_s = time.process_time(), 0.0
    marks = list(_UNTIL_S)
    for event in read_clips(video, [default_spec()], detector=open_detector(None), limits=LIMITS, faces=8):
        if isinstance(event, Progressed) and marks and event.done_s >= marks[0] - 1:
            stretch = f"from {began_s:.0f} to {marks[0]:.0f} s"
            spent = time.process_time() - started
            yield Figure(f"360p, processor time, {stretch}", 1000 * spent / (event.done_s - began_s), "ms/s of video")
            yield Figure(f"360p, resident memory after {marks[0]:.0f} s", _resident_bytes() / 1e6, "MB")
            started, began_s = time.process_time(), marks.pop(0)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
