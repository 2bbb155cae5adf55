"""Batch the clips of all jobs and run them on one inference thread.

A batch runs when it is full or when its first clip has waited `wait_s`. Jobs take turns, one clip each, so that a long
video does not delay a short one. A failing batch is split in halves until the failing clip is isolated. If the
model then fails on a blank clip too, as after most errors of CUDA, or if a run takes too long, the model is lost.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait

import numpy as np
from numpy.typing import NDArray

from service.worker.onnx_model import OnnxModel

LONGEST_RUN_S = 120.0
"""A model is lost if a run takes longer."""

_LOOK_S = 0.2

Outputs = dict[str, NDArray[np.float32]]
"""The outputs of one clip by task kind."""

_Item = tuple[NDArray[np.uint8], "Future[Outputs]"]


class Batcher:
    """The inference thread and its queue of clips.

    Args:
        models: the models; callers refer to them by index.
        wait_s: maximum seconds that a clip waits for others to fill its batch.
        on_batch: called after each batch with its size and its duration in seconds.
        on_lost: called if a model is lost, before the clips' futures fail.
    """

    def __init__(
        self,
        models: Sequence[OnnxModel],
        wait_s: float,
        on_batch: Callable[[int, float], None],
        on_lost: Callable[[Exception], None],
    ) -> None:
        self._models = models
        self._wait_s = wait_s
        self._on_batch = on_batch
        self._on_lost = on_lost
        self._run_began: float | None = None  # when the run began that is under way
        # For each model: job → its waiting clips, the job whose turn it is first.
        self._waiting: list[OrderedDict[str, deque[_Item]]] = [OrderedDict() for _ in models]
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    def submit(self, model: int, job: str, clip: NDArray[np.uint8]) -> Future[Outputs]:
        """Queue a clip, (T, H, W, 3); the future resolves to its outputs or its error."""
        future: Future[Outputs] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._waiting[model].setdefault(job, deque()).append((clip, future))
            self._changed.notify()
        return future

    def outputs(self, future: Future[Outputs], on_wait: Callable[[], None] = lambda: None) -> Outputs:
        """Wait for a clip's outputs, however many clips come before it, as long as each run ends in time.

        Args:
            future: the clip's.
            on_wait: called several times a second meanwhile; what it raises ends the wait.

        Raises:
            TimeoutError: a run takes longer than `LONGEST_RUN_S`: the model is lost.
            Exception: the clip's error.
        """
        while not wait([future], _LOOK_S).done:
            began = self._run_began
            if began is not None and time.monotonic() - began > LONGEST_RUN_S:
                error = TimeoutError(f"a run of the model takes longer than {LONGEST_RUN_S:g} s")
                self._on_lost(error)
                raise error
            on_wait()
        return future.result()

    def close(self) -> None:
        """Stop the thread after its current batch and cancel all waiting clips."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        for jobs in self._waiting:
            for items in jobs.values():
                for _, future in items:
                    future.cancel()

    def _work(self) -> None:
        turn = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or any(self._waiting))
                if self._closed:
                    return
                while not self._waiting[turn]:
                    turn = (turn + 1) % len(self._models)
                self._fill(turn)
                batch = self._take(turn)
            self._run(turn, batch)
            turn = (turn + 1) % len(self._models)

    def _fill(self, model: int) -> None:
        deadline = time.monotonic() + self._wait_s
        while not self._closed and self._count(model) < self._models[model].batch_sizes[-1]:
            left = deadline - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return

    def _take(self, model: int) -> list[_Item]:
        jobs = self._waiting[model]
        count = max(size for size in self._models[model].batch_sizes if size <= self._count(model))
        batch: list[_Item] = []
        while len(batch) < count:
            job, items = jobs.popitem(last=False)
            batch.append(items.popleft())
            if items:
                jobs[job] = items
        return batch

    def _count(self, model: int) -> int:
        return sum(map(len, self._waiting[model].values()))

    def _run(self, model: int, batch: list[_Item]) -> None:
        started = time.perf_counter()
        try:
            outputs = self._timed(model, np.stack([clip for clip, _ in batch]))
        except Exception as error:  # ONNX Runtime has many error types
            if len(batch) == 1:
                self._check(model, batch[0][0])
                batch[0][1].set_exception(error)
                return
            self._run(model, batch[: len(batch) // 2])
            self._run(model, batch[len(batch) // 2 :])
            return
        self._on_batch(len(batch), time.perf_counter() - started)
        for (_, future), output in zip(batch, outputs, strict=True):
            future.set_result(output)

    def _timed(self, model: int, clips: NDArray[np.uint8]) -> list[Outputs]:
        self._run_began = time.monotonic()
        try:
            return self._models[model].run(clips)
        finally:
            self._run_began = None

    def _check(self, model: int, failed: NDArray[np.uint8]) -> None:
        try:
            self._timed(model, np.zeros_like(failed)[np.newaxis])
        except Exception as error:  # ONNX Runtime has many error types
            self._on_lost(error)
