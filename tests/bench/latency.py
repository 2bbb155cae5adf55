from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import cv2

from mien.client import AsyncMien
from mien.contract.events import Ended, FaceWindow
from mien.contract.options import LiveOptions
from tests.bench.samples import looped
from tests.processes import mien_serve

_LIVE_S = 30
_FPS = 15


def run(folder: Path) -> None:
    """How soon scores come: of an uploaded minute of 720p, empty queue, from the last byte sent; and of live frames."""
    video = looped(folder, 60)
    with mien_serve(folder) as served:
        asyncio.run(_uploaded(served.url, video))
        asyncio.run(_live(served.url, video))


async def _uploaded(url: str, video: Path) -> None:
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
            total = time.perf_counter() - sent
            print(f"first window after {first:.2f} s, all after {total:.2f} s: {first / total:.1%} of the time")


async def _live(url: str, video: Path) -> None:
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
    late.sort()
    print(
        f"live, {_FPS} frames a second of 640 × 360: {len(late)} windows in {_LIVE_S} s; from the last frame that one "
        f"needs to its scores {late[len(late) // 2]:.2f} s (median), {late[int(0.95 * len(late))]:.2f} s (95 %), "
        f"{late[-1]:.2f} s (longest); {scored.dropped_frames} frames dropped"
    )
