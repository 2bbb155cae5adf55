from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from service.vision.clips import Clip, Progressed, read_clips
from service.vision.faces import open_detector
from service.worker.cpus import available_cpus
from tests.bench.figures import Figure
from tests.bench.samples import looped
from tests.bench.video_speed import LIMITS, default_spec

_UNTIL_S = (10.0, 60.0, 600.0, 3600.0)
_SECONDS_EACH = 20


def run(folder: Path) -> Iterator[Figure]:
    """Measure time and memory from file to clips through an hour of video, and a video for each processor at once."""
    yield from _as_it_goes_on(looped(folder, _UNTIL_S[-1], 360))
    video = looped(folder, _SECONDS_EACH)
    count = available_cpus()
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        list(pool.map(_analyse, [video] * count))  # imports, and fills caches
        alone = _wall_s(pool, video, 1)
        together = _wall_s(pool, video, count)
    yield Figure(f"throughput of {count} videos at once against {count} times one", alone / together, "times", "≥ 0.85")


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


def _wall_s(pool: ProcessPoolExecutor, video: Path, count: int) -> float:
    started = time.monotonic()
    list(pool.map(_analyse, [video] * count))
    return time.monotonic() - started


def _analyse(video: Path) -> int:
    events = read_clips(video, [default_spec()], detector=open_detector(None), limits=LIMITS, faces=8)
    return sum(isinstance(event, Clip) for event in events)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
