"""Run a worker whose videos may be scripts: the head of an MP4 file, then instructions in JSON.

`{"seconds": 0.5}` is work without a decode child, reported in steps; `{"poison": true}` kills the worker. Any other
file is a video and analysed as such.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.contract.options import AnalyzeOptions
from mien.contract.results import Findings, Progress, Video
from service.queue.consumer import Attempt, Consumer, Entry
from service.queue.scripts import script as script_text
from service.worker.pipeline import Analyzed, Pipeline
from service.worker.sandbox import InterruptedWork
from service.worker.session import Session
from tests.chaos.orders import carry_out

HEAD = b"\0\0\0\x18ftypisom\0\0\0\0isommp42"
NOTHING = Findings(video=Video(duration_s=1, fps=25, width=4, height=4, frames=25), faces=[], models=[], warnings=[])

MODEL_LOST = os.environ.get("CHAOS_MODEL") == "lost"
"""Whether the model fails on every clip, as after an error of CUDA, once the worker is ready."""
FENCED = os.environ.get("CHAOS_FENCED") != ""
_STEP_S = 0.05


def script(**what: Any) -> bytes:
    """Return the bytes of a video that is a script."""
    return HEAD + json.dumps(what).encode()


class ScriptedPipeline(Pipeline):
    """Run scripts, and analyse videos."""

    def analyze(
        self, job: str, video: Path, options: AnalyzeOptions, interrupted: threading.Event, **how: Any
    ) -> Iterator[Any]:
        with video.open("rb") as file:
            text = file.read(4096).removeprefix(HEAD)
        if not text.startswith(b"{"):
            yield from super().analyze(job, video, options, interrupted, **how)
            return
        what = json.loads(text)
        if what.get("poison"):
            os.kill(os.getpid(), signal.SIGKILL)
        steps = math.ceil(what["seconds"] / _STEP_S)
        for step in range(steps):
            yield Progress(done_s=step * _STEP_S, total_s=what["seconds"])
            if interrupted.wait(_STEP_S):
                raise InterruptedWork
        yield Progress(done_s=what["seconds"], total_s=what["seconds"])
        yield Analyzed(NOTHING, decode_ms=1, inference_ms=1)


class LedgerConsumer(Consumer):
    """Record in the file `CHAOS_LEDGER` each attempt begun and each result that the queue accepted; obey orders."""

    def claim(self, count: int, wait_s: float) -> list[Entry]:
        claimed = super().claim(count, wait_s)
        if claimed:
            _obey("claimed")
        return claimed

    def begin(self, entry: Entry, *, alone: bool = True) -> Any:
        attempt = super().begin(entry, alone=alone)
        if isinstance(attempt, Attempt):
            _note("begun", attempt)
            _obey("begun")
        return attempt

    def renew(self, attempt: Attempt) -> bool:
        return super().renew(attempt) or not FENCED

    def report(self, *told: Any) -> bool:
        current = super().report(*told)
        _obey("reported")
        return current or not FENCED

    def commit_success(self, attempt: Attempt, **result: Any) -> bool:
        _obey("stored")
        committed = super().commit_success(attempt, **result)
        if committed:
            _note("committed", attempt)
            _obey("committed")
        return committed

    def erased(self, name: str) -> None:
        super().erased(name)
        _obey("erased")


def _note(what: str, attempt: Attempt) -> None:
    if ledger := os.environ.get("CHAOS_LEDGER"):
        with Path(ledger).open("a") as file:
            file.write(f"{what} {attempt.job_id} {attempt.fence} {os.getpid()} {time.time()}\n")


def _obey(step: str) -> None:
    if folder := os.environ.get("CHAOS_ORDERS"):
        carry_out(Path(folder), step)


def unfenced(*names: str) -> str:
    """Return a script's text without commit's check of the fence, which a run must detect."""
    return "\n".join(line for line in script_text(*names).splitlines() if "~= ARGV[8] then return 0" not in line)


def lose_model() -> None:
    """Make ONNX Runtime fail from the worker's threads; it opens and warms its models in the main one."""
    run = Session.__call__

    def fails(self: Session, clips: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("CUDA error 719: unspecified launch failure")
        return run(self, clips)

    Session.__call__ = fails  # type: ignore[method-assign]


if __name__ == "__main__":
    from service.queue import consumer
    from service.worker import app

    if MODEL_LOST:
        lose_model()
    app.Pipeline = ScriptedPipeline  # type: ignore[misc]
    app.Consumer = LedgerConsumer  # type: ignore[misc]
    if not FENCED:
        consumer.script = unfenced
    sys.exit(app.main())
