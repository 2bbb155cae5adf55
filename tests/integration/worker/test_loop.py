"""The worker's loop at a real queue and store, with a pipeline that the tests control."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mien.contract.errors import AttemptsExhausted, CannotDecode, InvalidOption, MienError
from mien.contract.events import FaceWindow
from mien.contract.jobs import State
from mien.contract.results import Progress
from service.queue import keys
from service.storage.blobs import Blobs
from service.worker import keeper, loop, metrics
from service.worker.occupancy import Occupancy
from service.worker.pipeline import AnalysisEvent
from tests.contract.helpers import LEASE_S, lapse, succeed, take
from tests.integration.worker.helpers import Analyze, Site, job_loop, looping
from tests.processes import HANG_S, wait_for


def then(action: Callable[[], None]) -> Analyze:
    """Return an analysis that does something, and tells nothing."""

    def analyze(_: Path) -> Iterator[AnalysisEvent]:
        action()
        yield from ()

    return analyze


def test_a_result_that_comes_too_late_is_taken_away_again(site: Site, job: str):
    late = threading.Event()

    def lose_the_job() -> None:
        lapse(site.queue.redis)
        bob = site.queue.worker("bob")
        assert succeed(bob, take(bob))
        late.set()

    with looping(site.queue.worker(), Blobs(site.blobs), then(lose_the_job)):
        assert late.wait(HANG_S)
    found = site.queue.find(job)

    assert (found.state, found.result) == (State.SUCCEEDED, "results/a.2")
    assert site.files("results") == []  # the other's is written by nobody here
    assert site.files("uploads") == ["a"]  # and so the upload is the other's to remove


def test_a_lease_is_renewed_while_its_job_moves(site: Site, job: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeper, "_REGISTER_EVERY_S", 0.05)

    def held_for_ms() -> int:
        [pending] = site.queue.redis.xpending_range(keys.QUEUE, keys.GROUP, "-", "+", 1)
        return pending["time_since_delivered"]

    def work(_: Path) -> Iterator[AnalysisEvent]:
        for done in range(3):
            lapse(site.queue.redis, idle_s=LEASE_S / 2)
            wait_for(lambda: held_for_ms() < 500 * LEASE_S)
            yield Progress(done_s=done, total_s=3)

    with looping(site.queue.worker(), Blobs(site.blobs), work):
        found = site.ended(job)

    assert (found.state, site.attempts(job)) == (State.SUCCEEDED, 1)


def test_all_events_are_reported_before_the_job_ends(site: Site, job: str):
    windows = [FaceWindow(track=0, start_s=float(i), end_s=i + 1.0, valence=0.5) for i in range(3)]
    happening = [Progress(done_s=0, total_s=1), *windows]

    with looping(site.queue.worker(), Blobs(site.blobs), lambda _: iter([*happening, Progress(done_s=1, total_s=1)])):
        found = site.ended(job)
    told = site.queue.run(site.queue.jobs.events(job, None))

    assert (found.done_s, found.total_s) == (1.0, 1.0)
    assert [event.what.start_s for event in told if isinstance(event.what, FaceWindow)] == [0.0, 1.0, 2.0]
    assert told[-1].id == found.event


def test_an_attempt_that_breaks_is_tried_again_until_there_are_no_more(site: Site, job: str):
    tries: list[int] = []

    def break_down() -> None:
        tries.append(1)
        raise OSError("a library broke")

    with looping(site.queue.worker(max_attempts=2), Blobs(site.blobs), then(break_down)):
        found = site.ended(job)
        wait_for(lambda: not site.files("uploads"))

    assert len(tries) == 2
    assert (found.state, found.error.code) == (State.FAILED, AttemptsExhausted.code)
    assert "a library broke" not in found.error.detail
    assert site.queue.field(job, "last_error") == "OSError"
    assert site.queue.redis.lrange(keys.DEAD, 0, -1) == [job]
    assert site.queue.is_idle()


def test_an_attempt_that_breaks_once_succeeds_the_next_time(site: Site, job: str):
    tries: list[int] = []

    def break_down_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise MemoryError

    with looping(site.queue.worker(), Blobs(site.blobs), then(break_down_once)):
        found = site.ended(job)

    assert found.state is State.SUCCEEDED
    assert site.files("results") == [found.result.removeprefix("results/")]
    assert site.attempts(job) == 2


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(OSError("its video is gone"), "retried"), (CannotDecode("It cannot be decoded."), "rejected")],
    ids=["broken", "bad media"],
)
def test_an_attempt_whose_job_was_deleted_is_lost_and_counts_as_nothing_else(
    site: Site, job: str, error: Exception, outcome: str
):
    def counted(outcome: str) -> float:
        return metrics.ATTEMPTS.labels(outcome)._value.get()

    before, lost = counted(outcome), counted("lost")

    def delete_the_job() -> None:
        site.queue.run(site.queue.jobs.cancel(job))
        raise error

    with looping(site.queue.worker(), Blobs(site.blobs), then(delete_the_job)):
        wait_for(lambda: counted("lost") > lost)

    assert counted(outcome) == before
    assert site.queue.is_idle()


@pytest.mark.parametrize("error", [CannotDecode("It cannot be decoded."), InvalidOption("tasks: none here.")])
def test_a_fault_of_the_video_or_of_the_options_is_a_rejection(site: Site, job: str, error: MienError):
    def counted() -> float:
        return metrics.ATTEMPTS.labels("rejected")._value.get()

    def refuse() -> None:
        raise error

    before = counted()
    with looping(site.queue.worker(), Blobs(site.blobs), then(refuse)):
        assert site.ended(job).error == error.problem()
        wait_for(lambda: counted() == before + 1)


def test_a_job_with_options_of_a_newer_release_is_left_to_others_and_holds_up_none(site: Site, job: str):
    site.queue.redis.hset(keys.job(job), "options", '{"colour":"red"}')
    video = site.folder / "video"
    done = threading.Event()

    with looping(site.queue.worker(), Blobs(site.blobs), then(done.set)):
        site.submit("b", video)
        assert site.ended("b").state is State.SUCCEEDED

    assert site.queue.find(job).state is State.QUEUED
    assert site.attempts(job) == 0


def test_a_job_that_gets_no_thread_is_handed_back_before_the_worker_ends(site: Site, job: str, monkeypatch):
    class NoThread(threading.Thread):
        def start(self) -> None:
            if self.name.startswith("job-"):
                raise RuntimeError("can't start new thread")
            super().start()

    running = job_loop(site.queue.worker(), Blobs(site.blobs), then(lambda: None))
    monkeypatch.setattr(threading, "Thread", NoThread)
    with pytest.raises(RuntimeError, match="new thread"):
        running.run()

    assert site.queue.find(job).state is State.QUEUED
    assert site.attempts(job) == 0


def test_a_job_that_was_tried_before_waits_for_a_live_analysis_and_not_for_long(site: Site, job: str, monkeypatch):
    monkeypatch.setattr(loop, "_LIVE_S", 0.05)
    monkeypatch.setattr(loop, "_LOOK_S", 0.02)
    take(site.queue.worker("dead"))
    lapse(site.queue.redis)
    occupancy = Occupancy()
    assert occupancy.enter()  # a live analysis
    running = job_loop(site.queue.worker(), Blobs(site.blobs), then(lambda: None), occupancy=occupancy)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        assert site.ended(job).state is State.SUCCEEDED
        assert occupancy.enter()  # and so may another
    finally:
        running.stop()
        thread.join()


def test_a_job_does_not_inherit_the_waiting_of_one_that_was_deleted(site: Site, job: str, monkeypatch):
    monkeypatch.setattr(loop, "_LIVE_S", 2.0)
    monkeypatch.setattr(loop, "_LOOK_S", 0.02)
    site.submit("b", site.folder / "video")
    for _ in range(2):
        take(site.queue.worker("dead"))
    lapse(site.queue.redis)
    occupancy = Occupancy()
    assert occupancy.enter()  # a live analysis
    began: list[float] = []
    running = job_loop(
        site.queue.worker(), Blobs(site.blobs), then(lambda: began.append(time.monotonic())), occupancy=occupancy
    )
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        wait_for(lambda: not occupancy.open)
        time.sleep(1.5)
        cancelled_at = time.monotonic()
        site.queue.run(site.queue.jobs.cancel(job))
        assert site.ended("b").state is State.SUCCEEDED
    finally:
        running.stop()
        thread.join()

    assert began[0] - cancelled_at >= 2.0
