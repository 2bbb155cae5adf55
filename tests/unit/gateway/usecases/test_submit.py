from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mien.contract.errors import Expired, InvalidOption, KeyInUse, KeyReused, QueueFull, UploadStalled
from mien.contract.jobs import State
from mien.contract.options import AnalyzeOptions
from service.gateway.usecases.authenticate import NO_OWNER, Owner
from service.gateway.usecases.submit import Submit
from service.queue import keys
from service.queue.admission import AdmissionLimits
from service.storage.blobs import Blobs
from tests.contract.helpers import Queue, take
from tests.processes import HANG_S

VIDEO = b"a video"
PLAIN = AnalyzeOptions()


async def arriving(video: bytes = VIDEO, error: Exception | None = None) -> AsyncIterator[bytes]:
    yield video
    if error is not None:
        raise error


@pytest.fixture
def submit(queue: Queue, blobs: Blobs) -> Submit:
    def refuse(url: str) -> None:
        raise InvalidOption(f"callback_url: {url} cannot be called.")

    limits = AdmissionLimits(jobs=2, bytes=1000, wait_s=60)
    return Submit(queue.admission, queue.jobs, blobs, limits, most_bytes=100, upload_idle_s=60, check_callback=refuse)


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[], list[bytes]]:
    """Return what the store holds of uploads."""
    return lambda: [file.read_bytes() for file in sorted(tmp_path.glob("blobs/uploads/*"))]


def nothing_is_held(queue: Queue) -> bool:
    return queue.is_idle() and not queue.redis.exists(keys.RESERVED, keys.RESERVED_BYTES)


def test_a_video_is_stored_and_its_job_queued(queue, submit, stored):
    job_id = queue.run(submit(NO_OWNER, arriving(), AnalyzeOptions(faces=3)))

    assert queue.find(job_id).state is State.QUEUED
    assert stored() == [VIDEO]
    assert queue.live_bytes() == len(VIDEO)
    assert not queue.redis.exists(keys.RESERVED, keys.RESERVED_BYTES)
    assert take(queue.worker()).job_id == job_id


def test_a_job_is_its_owners(queue, submit):
    assert queue.run(submit(Owner("ann"), arriving(), PLAIN)).startswith("ann-")


def test_a_repeat_with_the_same_key_joins_the_first(queue, submit, stored):
    first = queue.run(submit(NO_OWNER, arriving(), PLAIN, key="k"))

    assert queue.run(submit(NO_OWNER, arriving(), PLAIN, key="k")) == first
    assert stored() == [VIDEO]
    assert queue.depth() == 1


def test_each_owner_has_keys_of_its_own(queue, submit):
    ids = [queue.run(submit(owner, arriving(), PLAIN, key="k")) for owner in (Owner("ann"), Owner("bob"))]

    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("video", "options"), [(b"another", PLAIN), (VIDEO, AnalyzeOptions(faces=3))], ids=["video", "options"]
)
def test_a_key_is_not_taken_for_another_request(queue, submit, stored, video, options):
    queue.run(submit(NO_OWNER, arriving(), PLAIN, key="k"))

    with pytest.raises(KeyReused, match="Send another key"):
        queue.run(submit(NO_OWNER, arriving(video), options, key="k"))
    assert stored() == [VIDEO]
    assert queue.depth() == 1


def test_a_key_whose_upload_is_under_way_is_in_use(queue, submit):
    queue.run(queue.admission.claim("k", "first", hold_s=HANG_S))

    with pytest.raises(KeyInUse):
        queue.run(submit(NO_OWNER, arriving(), PLAIN, key="k"))


def test_a_slow_upload_keeps_its_key(queue, submit):
    claim = keys.idempotency("k")
    patient = replace(submit, upload_idle_s=HANG_S)

    async def slow() -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        for _ in range(5):
            # As if more than half of what an upload may stand still had passed.
            loop.time = lambda now=loop.time: now() + 0.6 * HANG_S
            queue.redis.pexpire(claim, HANG_S * 1000)
            yield VIDEO
            assert queue.redis.pttl(claim) > 1500 * HANG_S

    assert queue.run(patient(NO_OWNER, slow(), PLAIN, key="k"))


def test_a_key_whose_analysis_was_deleted_is_gone(queue, submit):
    queue.run(queue.jobs.cancel(queue.run(submit(NO_OWNER, arriving(), PLAIN, key="k"))))

    with pytest.raises(Expired):
        queue.run(submit(NO_OWNER, arriving(), PLAIN, key="k"))


def test_an_upload_that_fails_gives_back_its_room_and_its_key(queue, submit, stored):
    with pytest.raises(UploadStalled):
        queue.run(submit(NO_OWNER, arriving(error=UploadStalled("It stalled. Send it again.")), PLAIN, key="k"))

    assert stored() == []
    assert nothing_is_held(queue)
    assert queue.run(submit(NO_OWNER, arriving(), PLAIN, key="k"))


def test_no_byte_is_read_where_there_is_no_room(queue, submit):
    async def untouched() -> AsyncIterator[bytes]:
        raise AssertionError("was read")
        yield b""

    full = replace(submit, limits=replace(submit.limits, jobs=0))
    with pytest.raises(QueueFull, match="Try again"):
        queue.run(full(NO_OWNER, untouched(), PLAIN))
    assert nothing_is_held(queue)


def test_a_callback_that_cannot_be_called_is_refused(queue, submit):
    with pytest.raises(InvalidOption, match="callback_url"):
        queue.run(submit(NO_OWNER, arriving(), AnalyzeOptions(callback_url="https://example.com/")))
    assert nothing_is_held(queue)
