from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np
import pytest

from service.worker import batcher as of_batcher
from service.worker.batcher import Batcher
from tests.processes import HANG_S

RUIN = 255


class Doubler:
    """A model of clips of one number, which it doubles; a clip of `RUIN` breaks its whole batch."""

    batch_sizes = (1, 2, 4, 8, 16)

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.lost = False
        self.delay_s = 0.0

    def run(self, clips: np.ndarray) -> list[dict[str, np.ndarray]]:
        self.entered.set()
        self.gate.wait(HANG_S)
        time.sleep(self.delay_s)
        self.batches.append(clips[:, 0].tolist())
        if RUIN in clips or self.lost:
            raise ValueError("ruined")
        return [{"expression": clip.astype(np.float32) * 2} for clip in clips]


@contextmanager
def batching(
    *models: Doubler, wait_s: float = 0.01, on_batch=lambda *_: None, on_lost=pytest.fail
) -> Iterator[Batcher]:
    batcher = Batcher(models, wait_s, on_batch, on_lost)
    try:
        yield batcher
    finally:
        for model in models:
            model.gate.set()
        batcher.close()


def clip(number: int) -> np.ndarray:
    return np.array([number], np.uint8)


@contextmanager
def held_up(batcher: Batcher, model: Doubler) -> Iterator[None]:
    """Keep the model busy with a clip of its own while clips are submitted."""
    model.gate.clear()
    model.entered.clear()
    first = batcher.submit(0, "holds up", clip(0))
    assert model.entered.wait(HANG_S)
    yield
    model.gate.set()
    first.result(HANG_S)
    model.batches.remove([0])


def test_each_clip_gets_its_own_output():
    model = Doubler()
    with batching(model) as batcher:
        futures = [batcher.submit(0, "job", clip(number)) for number in range(40)]

        assert [future.result(HANG_S)["expression"][0] for future in futures] == [2 * number for number in range(40)]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 13, 16, 17, 31, 33])
def test_batches_come_in_the_sizes_that_were_warmed_only(count: int):
    model = Doubler()
    with batching(model) as batcher:
        with held_up(batcher, model):
            futures = [batcher.submit(0, "job", clip(number)) for number in range(1, count + 1)]
        for future in futures:
            future.result(HANG_S)

    sizes = [len(batch) for batch in model.batches]
    assert set(sizes) <= set(model.batch_sizes)
    assert sizes == sorted(sizes, reverse=True)
    assert [number for batch in model.batches for number in batch] == list(range(1, count + 1))


def test_a_lone_clip_is_run_after_the_wait():
    model = Doubler()
    with batching(model, wait_s=0.2) as batcher:
        started = time.monotonic()
        batcher.submit(0, "job", clip(1)).result(HANG_S)

    assert time.monotonic() - started >= 0.19


def test_a_full_batch_does_not_wait():
    model = Doubler()
    with batching(model, wait_s=4 * HANG_S) as batcher:
        futures = [batcher.submit(0, "job", clip(number)) for number in range(model.batch_sizes[-1])]

        for future in futures:
            future.result(HANG_S)

    assert [len(batch) for batch in model.batches] == [model.batch_sizes[-1]]


def test_clips_that_come_within_the_wait_share_a_batch():
    model = Doubler()
    with batching(model, wait_s=4 * HANG_S) as batcher:
        first = batcher.submit(0, "a", clip(0))
        time.sleep(0.05)
        others = [batcher.submit(0, "b", clip(number)) for number in range(1, model.batch_sizes[-1])]
        for future in (first, *others):
            future.result(HANG_S)

    assert model.batches == [list(range(model.batch_sizes[-1]))]


def test_a_long_job_does_not_hold_up_a_short_one():
    model = Doubler()
    with batching(model) as batcher:
        with held_up(batcher, model):
            long = [batcher.submit(0, "long", clip(number)) for number in range(100, 140)]
            short = [batcher.submit(0, "short", clip(number)) for number in (1, 2)]
        for future in long + short:
            future.result(HANG_S)

    assert model.batches[0][:5] == [100, 1, 101, 2, 102]


def test_models_take_turns():
    one, two = Doubler(), Doubler()
    with batching(one, two) as batcher:
        with held_up(batcher, one):
            futures = [batcher.submit(model, "job", clip(7)) for model in (0, 1) for _ in range(32)]
            order: list[int] = []
            for future, model in zip(futures, [0] * 32 + [1] * 32, strict=True):
                future.add_done_callback(lambda _, model=model: order.append(model))
        for future in futures:
            future.result(HANG_S)

    assert order == [1] * 16 + [0] * 16 + [1] * 16 + [0] * 16


@pytest.mark.parametrize("ruined", [{5}, {1}, {16}, {3, 4}, {2, 15}])
def test_a_clip_that_fails_fails_alone(ruined: set[int]):
    model = Doubler()
    with batching(model) as batcher:
        with held_up(batcher, model):
            futures = {
                number: batcher.submit(0, "job", clip(RUIN if number in ruined else number)) for number in range(1, 17)
            }

        for number, future in futures.items():
            if number in ruined:
                with pytest.raises(ValueError, match="ruined"):
                    future.result(HANG_S)
            else:
                assert future.result(HANG_S)["expression"][0] == 2 * number

        assert batcher.submit(0, "next", clip(3)).result(HANG_S)["expression"][0] == 6
    assert {len(batch) for batch in model.batches} <= set(model.batch_sizes)


def test_a_model_that_fails_on_any_clip_is_lost_before_its_clips_fail():
    model, told = Doubler(), []
    model.lost = True
    model.gate.clear()
    with batching(model, on_lost=lambda error: told.append((error, future.done()))) as batcher:
        future = batcher.submit(0, "job", clip(1))
        model.gate.set()
        with pytest.raises(ValueError, match="ruined"):
            future.result(HANG_S)

    [(error, failed)] = told
    assert (str(error), failed) == ("ruined", False)


def test_a_model_whose_run_does_not_end_is_lost(monkeypatch):
    monkeypatch.setattr(of_batcher, "LONGEST_RUN_S", 0.1)
    model, told = Doubler(), []
    model.gate.clear()
    with batching(model, on_lost=told.append) as batcher:
        future = batcher.submit(0, "job", clip(1))  # the run begins after the wait
        with pytest.raises(TimeoutError):
            batcher.outputs(future)

    assert [type(error) for error in told] == [TimeoutError]


def test_a_clip_behind_many_others_is_waited_for_as_long_as_runs_end(monkeypatch):
    monkeypatch.setattr(of_batcher, "LONGEST_RUN_S", 2.0)
    model, waits = Doubler(), []
    model.delay_s = 0.3
    with batching(model) as batcher:  # `on_lost` fails
        for number in range(1, 10 * model.batch_sizes[-1]):
            last = batcher.submit(0, "job", clip(number))

        assert batcher.outputs(last, lambda: waits.append(1))["expression"][0] == 2 * number

    assert len(waits) > 5


def test_a_wait_ends_with_what_its_caller_raises():
    class Enough(Exception):
        pass

    def end() -> None:
        raise Enough

    model = Doubler()
    model.gate.clear()
    with batching(model) as batcher, pytest.raises(Enough):
        batcher.outputs(batcher.submit(0, "job", clip(1)), end)


def test_a_clip_whose_own_error_is_a_timeout_does_not_lose_the_model():
    future: Future = Future()
    future.set_exception(TimeoutError("its own"))
    with batching(Doubler()) as batcher, pytest.raises(TimeoutError, match="its own"):
        batcher.outputs(future)


def test_batches_are_reported_with_their_size_and_time():
    reports = []
    with batching(Doubler(), on_batch=lambda *report: reports.append(report)) as batcher:
        batcher.submit(0, "job", clip(1)).result(HANG_S)

    [(size, seconds)] = reports
    assert size == 1
    assert 0 <= seconds < 5


def test_closing_cancels_what_waits_and_takes_no_more():
    model = Doubler()
    with batching(model, wait_s=4 * HANG_S) as batcher:
        future = batcher.submit(0, "job", clip(1))

        batcher.close()

        assert future.cancelled()
        with pytest.raises(RuntimeError, match="closed"):
            batcher.submit(0, "job", clip(2))
    assert model.batches == []
