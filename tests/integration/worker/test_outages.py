"""Outages of Redis and of the store are no job's fault: it waits, and its one attempt goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from obstore.exceptions import GenericError
from structlog.testing import capture_logs

from mien.contract.errors import AttemptsExhausted, CannotDecode
from mien.contract.jobs import State
from mien.contract.options import AnalyzeOptions
from mien.contract.results import Progress
from service.queue import keys
from service.storage.blobs import Blobs, S3Blobs
from service.worker.pipeline import AnalysisEvent
from tests.contract.helpers import Queue, lapse
from tests.integration.worker.helpers import Site, looping
from tests.processes import stoppable_redis, wait_for
from tests.s3 import s3_bucket


def unharmed(site: Site, job: str) -> None:
    """Assert that the job succeeded at its one attempt."""
    found = site.ended(job)
    assert (found.state, found.error) == (State.SUCCEEDED, None)
    assert site.attempts(job) == 1
    assert site.files("results") == [f"a.{site.fence(job)}"]
    wait_for(lambda: not site.files("uploads"))
    assert site.queue.is_idle()


def test_a_redis_that_restarts_three_times_takes_no_attempt(tmp_path: Path, bundle: Path):
    with stoppable_redis() as server:
        queue = Queue.at(server.url)
        site = Site(queue, tmp_path, bundle)
        (tmp_path / "video").write_bytes(b"any bytes")
        site.submit("a", tmp_path / "video")

        def analyze(_: Path) -> Iterator[AnalysisEvent]:
            for done in range(3):
                server.stop()
                back = threading.Timer(1, server.start)
                back.start()
                time.sleep(0.3)  # so that the next event is told at once
                yield Progress(done_s=done, total_s=3)
                back.join()

        with looping(queue.worker(lease_s=0.5), Blobs(site.blobs), analyze):
            found = wait_for(lambda: ended(queue, "a"))

        assert (found.state, found.error) == (State.SUCCEEDED, None)
        assert site.attempts("a") == 1
        queue.close()


def ended(queue: Queue, job_id: str):
    try:
        job = queue.find(job_id)
    except Exception:  # while the server restarts
        return None
    return job if job.state.terminal else None


def test_a_server_that_goes_away_before_the_result_is_committed_gets_it_when_it_is_back(tmp_path: Path, bundle: Path):
    with stoppable_redis() as server:
        queue = Queue.at(server.url)
        site = Site(queue, tmp_path, bundle)
        (tmp_path / "video").write_bytes(b"any bytes")
        site.submit("a", tmp_path / "video")

        def analyze(_: Path) -> Iterator[AnalysisEvent]:
            server.stop()
            yield from ()

        with looping(queue.worker(), Blobs(site.blobs), analyze) as outages:
            wait_for(lambda: "queue" in outages.parts and site.files("results"))
            server.start()
            found = wait_for(lambda: ended(queue, "a"))

        assert (found.state, site.attempts("a")) == (State.SUCCEEDED, 1)
        queue.close()


def test_leases_that_ran_out_while_redis_was_away_are_their_owners_first(tmp_path: Path):
    with stoppable_redis() as server:
        queue = Queue.at(server.url)
        queue.submit("a")
        ann, bob = queue.worker("ann", lease_s=0.5), queue.worker("bob", lease_s=0.5)
        ann.claim(1, 0.01)
        [entry] = ann.claim(1, 0.01)
        attempt = ann.begin(entry)
        server.stop()
        with pytest.raises(Exception, match=r"."):
            bob.claim(1, 0.01)
        time.sleep(0.6)
        server.start()

        assert bob.claim(1, 0.01) == []
        assert ann.renew(attempt)
        time.sleep(0.6)
        assert [taken.job_id for taken in bob.claim(1, 0.01)] == ["a"]
        queue.close()


def test_a_beginning_whose_answer_was_lost_counts_once(site: Site, job: str):
    ann = site.queue.worker()
    ann.claim(1, 0.01)
    [entry] = ann.claim(1, 0.01)

    assert ann.begin(entry) == ann.begin(entry)
    assert (site.attempts(job), site.fence(job)) == (1, 1)


def test_an_entry_that_another_worker_took_over_is_not_begun(site: Site, job: str):
    ann, bob = site.queue.worker("ann"), site.queue.worker("bob")
    ann.claim(1, 0.01)
    [entry] = ann.claim(1, 0.01)
    lapse(site.queue.redis)
    [taken] = bob.claim(1, 0.01)

    assert ann.begin(entry) is None
    assert bob.begin(taken).number == 1


def test_a_full_disk_keeps_the_result_waiting(site: Site, job: str, monkeypatch: pytest.MonkeyPatch):
    full = threading.Event()
    put = obstore.put

    def refuse(*args: object) -> object:
        if not full.is_set():
            raise GenericError("Unable to copy data to file: No space left on device (os error 28)")
        return put(*args)

    monkeypatch.setattr(obstore, "put", refuse)
    with looping(site.queue.worker(), Blobs(site.blobs), lambda _: iter(())) as outages:
        wait_for(lambda: outages.parts == ["store"])
        assert site.queue.find(job).state is State.RUNNING
        assert site.files("uploads") == ["a"]
        full.set()
        unharmed(site, job)
        assert outages.parts == []


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_store_that_is_gone_keeps_the_job_waiting(site: Site, job: str, when: str):
    blobs, away = Blobs(site.blobs), site.folder / "away"

    def analyze(_: Path) -> Iterator[AnalysisEvent]:
        if when == "meanwhile":
            site.blobs.rename(away)
        yield Progress(done_s=0, total_s=1)

    if when == "before":
        site.blobs.rename(away)
    with looping(site.queue.worker(), blobs, analyze) as outages:
        wait_for(lambda: outages.parts == ["store"])
        assert not site.blobs.exists()
        away.rename(site.blobs)
        unharmed(site, job)


def test_a_video_that_cannot_be_read_for_the_stores_sake_is_not_called_bad(site: Site, job: str):
    away = site.folder / "away"
    tries: list[int] = []

    def analyze(_: Path) -> Iterator[AnalysisEvent]:
        tries.append(1)
        if len(tries) == 1:
            site.blobs.rename(away)
            raise CannotDecode("It cannot be read.")
        yield Progress(done_s=0, total_s=1)

    with looping(site.queue.worker(), Blobs(site.blobs), analyze) as outages:
        wait_for(lambda: outages.parts == ["store"])
        away.rename(site.blobs)
        unharmed(site, job)
    assert len(tries) == 2


def test_a_bucket_that_is_gone_keeps_the_job_waiting(site: Site):
    with s3_bucket() as bucket:
        blobs = S3Blobs("s3://mien", bucket.endpoint, site.folder / "scratch")
        blobs.put("uploads/a", b"any bytes")
        site.queue.run(site.queue.jobs.submit("a", upload="uploads/a", size=9, price=9, options=AnalyzeOptions()))
        bucket.clear()
        bucket._client().delete_bucket(Bucket=bucket.name)
        with looping(site.queue.worker(), blobs, lambda _: iter(())) as outages:
            wait_for(lambda: outages.parts == ["store"])
            bucket.make()
            blobs.put("uploads/a", b"any bytes")
            found = site.ended("a")
            wait_for(lambda: bucket.names == ["results/a.1"])

    assert (found.state, found.result, site.attempts("a")) == (State.SUCCEEDED, "results/a.1", 1)


def test_a_video_that_is_not_in_a_store_that_works_is_said_to_be_missing(site: Site, job: str):
    (site.blobs / "uploads/a").unlink()

    with capture_logs() as logs, looping(site.queue.worker(), Blobs(site.blobs), lambda _: iter(())):
        found = site.ended(job)

    assert found.error.code == AttemptsExhausted.code
    assert "missing from the store" in found.error.detail
    assert [entry["log_level"] for entry in logs if entry["event"] == "attempt broke"] == 3 * ["warning"]
    assert site.queue.redis.lrange(keys.DEAD, 0, -1) == [job]
