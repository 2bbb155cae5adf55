from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from mien.client import Mien
from tests.bench.figures import Figure, percentile
from tests.bench.samples import looped
from tests.processes import gateway, private_redis, worker
from tests.videos import face_video

_SHORT = 20


def run(folder: Path) -> Iterator[Figure]:
    """Measure how long short videos take alone, and beside a long one that the same worker analyses."""
    short, long = face_video(folder / "short.mp4", seconds=1.2), looped(folder, 300)
    with (
        private_redis() as redis_url,
        gateway(folder, redis_url) as (_, url),
        worker(folder, redis_url),
        Mien(url) as mien,
    ):
        mien.analyze(short)
        alone = [_analyzed(mien, short) for _ in range(_SHORT)]
        accepted = mien.submit(long)
        next(iter(mien.watch(accepted.id)))  # it has begun
        beside = [_analyzed(mien, short) for _ in range(_SHORT)]
        assert not mien.get(accepted.id).state.terminal, "the long video ended before the short ones"
        mien.delete(accepted.id)
    for what, taken in (("alone", alone), ("beside a video of 5 minutes", beside)):
        yield Figure(f"a video of 1.2 s {what}, 95% within", percentile((one["all"] for one in taken), 0.95), "ms")
        for part in taken[0]:
            yield Figure(f"{what}, {part}, median", statistics.median(one[part] for one in taken), "ms")
    slowest = [percentile((one["all"] for one in taken), 0.95) for taken in (beside, alone)]
    yield Figure("beside to alone", slowest[0] / slowest[1], "times", "≤ 1.5")


def _analyzed(mien: Mien, video: Path) -> dict[str, float]:
    """Return the milliseconds that an analysis takes, and its parts."""
    began = time.perf_counter()
    timings = mien.analyze(video).timings_ms
    taken = 1000 * (time.perf_counter() - began)
    assert timings is not None, "the analysis has ended"
    parts = {"queued": timings.queued, "waiting for clips": timings.decode, "waiting for the model": timings.inference}
    return {"all": taken, **parts, "the rest": taken - sum(parts.values())}
