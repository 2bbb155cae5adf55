"""Deleted analyses leave no data in the store, in Redis and, after a while, in Redis' append-only file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.contract.errors import AttemptsExhausted, Expired, StorageUnavailable
from mien.contract.events import FaceWindow
from mien.contract.options import AnalyzeOptions
from service.gateway.usecases.erase import Erase
from service.queue import keys
from service.queue.consumer import Attempt, Consumer
from service.queue.erasure import Erasure
from service.storage.blobs import result_name
from tests.integration.gateway.backend import Backend
from tests.processes import HANG_S, StoppableRedis, stoppable_redis, wait_for

VIDEO = b"the very bytes of a video"
DIGEST = hashlib.sha256(VIDEO).hexdigest()
CALLBACK = "https://example.org/secret-path"


class ErasedBackend(Backend):
    """On a server of its own, with the erasure and what Redis and its disk hold."""

    def __init__(self, server: StoppableRedis, folder: Path) -> None:
        super().__init__(server.url, folder)
        self.server = server

    def request(self, key: str | None = "mine") -> str:
        return self.submit(VIDEO, AnalyzeOptions(callback_url=CALLBACK), key)

    def lapsing_consumer(self, *, max_attempts: int = 3, ttl_s: int = 3600) -> Consumer:
        return self.consumer(lease_s=0.01, max_attempts=max_attempts, ttl_s=ttl_s)

    def begin(self, consumer: Consumer) -> Attempt | None:
        entry = wait_for(lambda: consumer.claim(1, 0.1))[0]
        return consumer.begin(entry)

    def succeed(self, consumer: Consumer) -> None:
        attempt = self.begin(consumer)
        consumer.report(attempt, [FaceWindow(track=0, start_s=0, end_s=1, valence=0.123456)], 1)
        name = result_name(attempt.job_id, attempt.fence)
        self.blobs.put(name, b'{"valence": 0.123456}')
        assert consumer.commit_success(attempt, result=name, decode_ms=1, inference_ms=1)

    def erase(self, rewrite_s: int = 0) -> None:
        self.run(lambda redis: Erase(Erasure(redis), self.blobs, rewrite_s)())

    def memory(self) -> str:
        """Return all keys and values of Redis."""
        read = {
            "string": self.redis.get,
            "hash": self.redis.hgetall,
            "list": lambda key: self.redis.lrange(key, 0, -1),
            "zset": lambda key: self.redis.zrange(key, 0, -1),
            "stream": self.redis.xrange,
        }
        return repr([(key, read[self.redis.type(key)](key)) for key in self.redis.scan_iter()])

    def disk(self) -> bytes:
        """Return all that Redis has written."""
        content = b""
        for file in self.server.folder.rglob("*"):
            if file.is_file():
                try:
                    content += file.read_bytes()
                except FileNotFoundError:  # replaced meanwhile
                    return self.disk()
        return content


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[ErasedBackend]:
    with stoppable_redis() as server:
        opened = ErasedBackend(server, tmp_path)
        yield opened
        opened.redis.close()


@pytest.mark.parametrize("when", ["queued", "running", "succeeded", "failed"])
def test_a_deleted_analysis_leaves_no_trace(backend: ErasedBackend, when: str):
    job_id = backend.request()
    consumer = backend.lapsing_consumer(max_attempts=1)
    if when == "succeeded":
        backend.succeed(consumer)
    elif when != "queued":
        backend.begin(consumer)
        if when == "failed":
            time.sleep(0.05)
            assert backend.begin(consumer) is None
    assert job_id in backend.memory()

    backend.delete(job_id)

    traces = [job_id, DIGEST, CALLBACK, "0.123456"]
    assert not [trace for trace in traces if trace in backend.memory()]
    assert backend.names == set()

    def gone_from_disk() -> bool:
        backend.erase(rewrite_s=1)
        return not any(trace.encode() in backend.disk() for trace in traces)

    wait_for(gone_from_disk, pause=0.2)
    with pytest.raises(Expired):
        backend.delete(job_id)


def left_the_disk(backend: ErasedBackend, trace: str) -> None:
    assert trace.encode() in backend.disk()

    def gone() -> bool:
        backend.erase(rewrite_s=1)
        return trace.encode() not in backend.disk()

    wait_for(gone, pause=0.2)


def test_the_data_of_a_failed_job_leaves_the_file_when_it_expires(backend: ErasedBackend, monkeypatch):
    monkeypatch.setattr(keys, "EVENTS_TTL_S", 1)  # events are erased long before their job
    backend.request(key=None)
    consumer = backend.lapsing_consumer(max_attempts=1, ttl_s=4)
    backend.begin(consumer)
    time.sleep(0.05)
    assert backend.begin(consumer) is None

    left_the_disk(backend, CALLBACK)
    assert backend.names == set()


def test_the_data_of_an_idempotency_key_leaves_the_file_when_it_expires(backend: ErasedBackend, monkeypatch):
    monkeypatch.setattr(keys, "IDEMPOTENCY_TTL_S", 2)
    backend.request()

    left_the_disk(backend, DIGEST)


def test_a_repeated_request_gets_410_once_its_analysis_is_gone(backend: ErasedBackend):
    backend.delete(backend.request())

    with pytest.raises(Expired, match="Send another key"):
        backend.request()
    assert backend.names == set()


def test_an_id_leaves_the_file_although_other_jobs_wait(backend: ErasedBackend):
    job_id = backend.request(key=None)
    backend.request(key=None)
    backend.delete(job_id)

    def gone_from_disk() -> bool:
        backend.erase(rewrite_s=1)
        return job_id.encode() not in backend.disk()

    wait_for(gone_from_disk, pause=0.2)


def test_the_video_goes_although_its_worker_died_after_the_commit(backend: ErasedBackend):
    backend.request()
    backend.succeed(backend.lapsing_consumer())
    assert len(backend.names) == 2

    backend.erase()

    assert [name.partition("/")[0] for name in backend.names] == ["results"]


def test_the_video_goes_of_a_job_whose_attempts_are_used_up(backend: ErasedBackend):
    job_id = backend.request()
    consumer = backend.lapsing_consumer(max_attempts=1)
    backend.begin(consumer)
    time.sleep(0.05)
    assert backend.begin(consumer) is None
    assert backend.find(job_id).error.code == AttemptsExhausted.code

    backend.erase()

    assert backend.names == set()


def test_a_result_leaves_the_disk_when_it_expires(backend: ErasedBackend):
    backend.request(key=None)
    backend.succeed(backend.lapsing_consumer(ttl_s=HANG_S))
    backend.erase()
    assert len(backend.names) == 1

    for due in backend.redis.zrange(keys.ERASE, 0, -1):
        backend.redis.zincrby(keys.ERASE, -1000 * (HANG_S + 2), due)  # as if its time to live had passed
    backend.erase()

    assert backend.names == set()
    assert backend.redis.zcard(keys.ERASE) == 0


def test_blobs_are_deleted_once_a_store_that_was_away_is_back(backend: ErasedBackend, monkeypatch):
    job_id = backend.request()
    with monkeypatch.context() as away:

        def refuse(_names: object) -> None:
            raise StorageUnavailable("away", 1)

        away.setattr(backend.blobs, "delete", refuse)
        backend.delete(job_id)
    assert len(backend.names) == 1

    backend.erase()

    assert backend.names == set()


def test_redis_rewrites_its_file_only_where_something_was_erased(backend: ErasedBackend):
    rewrite = lambda: backend.run(lambda redis: Erasure(redis).rewrite_file(60))  # noqa: E731
    backend.request(key=None)
    assert not rewrite()

    backend.delete(backend.redis.zrange(keys.LIVE, 0, -1)[0])

    assert rewrite()
    assert not rewrite()


def test_a_redis_without_an_append_only_file_is_not_told_to_rewrite_it(backend: ErasedBackend):
    backend.redis.config_set("appendonly", "no")
    backend.delete(backend.request())

    assert not backend.run(lambda redis: Erasure(redis).rewrite_file(60))
