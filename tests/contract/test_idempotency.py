"""Idempotency keys at the queue: one script checks and accepts."""

from __future__ import annotations

import asyncio

from mien.contract.options import AnalyzeOptions
from service.queue import keys
from service.queue.admission import AdmissionLimits, IdempotentRequest, KeyHolder
from tests.contract.helpers import Queue
from tests.processes import HANG_S, wait_for


def submit(queue: Queue, job_id: str, key: str = "k", digest: str = "d", **options) -> KeyHolder | None:
    return queue.run(_submit(queue, job_id, key, digest, **options))


def _submit(queue: Queue, job_id: str, key: str, digest: str, **options):
    return queue.jobs.submit(
        job_id,
        upload=f"uploads/{job_id}",
        size=5,
        price=5,
        options=AnalyzeOptions(**options),
        request=IdempotentRequest(key, digest),
    )


def claim(queue: Queue, job_id: str, key: str = "k", hold_s: float = HANG_S) -> KeyHolder | None:
    return queue.run(queue.admission.claim(key, job_id, hold_s))


def test_a_claim_keeps_others_off_until_it_is_given_up(queue: Queue):
    assert claim(queue, "a") is None
    assert claim(queue, "a") is None  # holds it for longer
    assert claim(queue, "b") == KeyHolder("a")
    assert not KeyHolder("a").accepted

    queue.run(queue.admission.unclaim("k", "b"))  # not its own
    assert claim(queue, "b") == KeyHolder("a")
    queue.run(queue.admission.unclaim("k", "a"))
    assert claim(queue, "b") is None


def test_a_claim_of_a_dead_gateway_runs_out(queue: Queue):
    claim(queue, "a", hold_s=0.05)
    wait_for(lambda: not queue.redis.exists(keys.idempotency("k")))

    assert claim(queue, "b") is None


def test_an_accepted_key_is_neither_claimed_nor_given_up(queue: Queue):
    claim(queue, "a")
    assert submit(queue, "a", faces=3) is None

    queue.run(queue.admission.unclaim("k", "a"))

    assert claim(queue, "b") == KeyHolder("a", AnalyzeOptions(faces=3), "d")
    assert claim(queue, "a").accepted
    assert 3600 < queue.redis.ttl(keys.idempotency("k")) <= keys.IDEMPOTENCY_TTL_S


def test_of_two_uploads_with_one_key_the_first_to_end_is_the_job(queue: Queue):
    claim(queue, "a", hold_s=0.01)
    wait_for(lambda: not queue.redis.exists(keys.idempotency("k")))
    claim(queue, "b")
    queue.admit("b", 5, limits=AdmissionLimits(100, 10**9, 1000))

    assert submit(queue, "a") is None
    assert submit(queue, "b") == KeyHolder("a", AnalyzeOptions(), "d")

    assert queue.run(queue.jobs.find("b")) is None
    assert queue.redis.zcard(keys.RESERVED) == 0
    assert (queue.depth(), queue.live_bytes()) == (1, 5)
    assert submit(queue, "a") is None  # said again
    assert queue.depth() == 1


def test_of_many_that_submit_at_once_one_is_accepted(queue: Queue):
    async def all_at_once() -> list[KeyHolder | None]:
        return await asyncio.gather(*(_submit(queue, f"j{i}", "k", "d") for i in range(30)))

    answers = queue.run(all_at_once())

    [winner] = [f"j{i}" for i, earlier in enumerate(answers) if earlier is None]
    assert {earlier.job_id for earlier in answers if earlier} == {winner}
    assert queue.depth() == 1


def test_a_key_of_a_request_with_options_of_a_newer_release_is_that_of_another_request(queue: Queue):
    submit(queue, "a")
    queue.redis.hset(keys.idempotency("k"), "options", '{"colour":"red"}')

    assert claim(queue, "b") == KeyHolder("a", None, "d")
