from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import cv2

from mien.client import AsyncMien
from mien.contract.events import Ended, FaceWindow
from mien.contract.options import LiveOptions
from tests.bench.figures import Figure, percentile
from tests.bench.samples import looped
from tests.processes import mien_serve

_LIVE_S = 30
_FPS = 15


def run(folder: Path) -> Iterator[Figure]:
    """Measure how soon scores come: of a minute of 720p, empty queue, from the last byte sent; and of live frames."""
    video = looped(folder, 60)
    with mien_serve(folder) as served:
        yield from asyncio.run(_uploaded(served.url, video))
        yield from asyncio.run(_live(served.url, video))


async def _uploaded(url: str, video: Path) -> list[Figure]:
    firsts, totals = [], []
    async with AsyncMien(url) as mien:
        for _ in range(3):
            accepted = await mien.submit(video)
            sent = time.perf_counter()
            first = None
            async for what in mien.watch(accepted.id):
                if first is None and isinstance(what, FaceWindow):
                    first = time.perf_counter() - sent
                if isinstance(what, Ended):
                    break
            assert first is not None
            firsts.append(first)
            totals.append(time.perf_counter() - sent)
    share = statistics.median(first / total for first, total in zip(firsts, totals, strict=True))
    return [
        Figure("a minute of 720p: first window", statistics.median(firsts), "s"),
        Figure("a minute of 720p: last window", statistics.median(totals), "s"),
        Figure("first window to last", 100 * share, "%", "≤ 3"),
    ]


async def _live(url: str, video: Path) -> list[Figure]:
    reader = cv2.VideoCapture(str(video))
    step = reader.get(cv2.CAP_PROP_FPS) / _FPS
    pictures = []
    for number in range(round(_LIVE_S * reader.get(cv2.CAP_PROP_FPS))):
        there, picture = reader.read()
        if there and number >= len(pictures) * step:
            pictures.append(cv2.imencode(".jpg", cv2.resize(picture, (640, 360)))[1].tobytes())
    sent: list[float] = []

    async def frames() -> AsyncGenerator[tuple[float, bytes]]:
        began = time.perf_counter()
        for number, picture in enumerate(pictures):
            await asyncio.sleep(max(0.0, began + number / _FPS - time.perf_counter()))
            sent.append(time.perf_counter())
            yield number / _FPS, picture

    late = []
    async with AsyncMien(url) as mien:
        async for scored in mien.live(frames(), LiveOptions()):
            last_needed = min(len(sent) - 1, round(scored.window.end_s * _FPS))
            late.append(time.perf_counter() - sent[last_needed])
    what = f"live, {_FPS} frames a second of 640 × 360"
    return [
        Figure(f"{what}: from a window's last frame to its scores, 50% within", percentile(late, 0.5), "s"),
        Figure(f"{what}: 95% within", percentile(late, 0.95), "s"),
        Figure(f"{what}: dropped", scored.dropped_frames, f"of {len(pictures)} frames"),
    ]
