"""A job that kills its worker fails no other job: from its second attempt on, a job runs alone. A worker whose model is
lost fails no job."""

from __future__ import annotations

from pathlib import Path

from mien.contract.errors import AttemptsExhausted
from mien.contract.jobs import State
from tests.chaos.stand_in import script
from tests.contract.helpers import LEASE_S, lapse
from tests.integration.worker.helpers import Site
from tests.processes import HANG_S, wait_for


def submit(site: Site, job_id: str, **what: object) -> None:
    video = site.folder / job_id
    video.write_bytes(script(**what))
    site.submit(job_id, video)


def test_a_job_that_kills_its_worker_each_time_fails_no_other_job(site: Site):
    poison, others = ["p0", "p1"], ["n0", "n1"]
    for bad, good in zip(poison, others, strict=True):
        submit(site, good, seconds=0.5)
        submit(site, bad, poison=True)

    def all_ended() -> bool:
        return all(site.queue.find(job_id).state.terminal for job_id in [*poison, *others])

    while not all_ended():
        with site.worker(module="tests.chaos.stand_in", slots=4, lease_s=LEASE_S) as running:
            wait_for(lambda: all_ended() or running.popen.poll() is not None)
        lapse(site.queue.redis)

    assert {site.queue.find(job_id).error.code for job_id in poison} == {AttemptsExhausted.code}
    assert {site.queue.find(job_id).state for job_id in others} == {State.SUCCEEDED}
    assert max(site.attempts(job_id) for job_id in others) <= 2
    assert site.queue.is_idle()


def test_a_job_that_was_tried_before_waits_until_nothing_else_runs(site: Site):
    submit(site, "a", seconds=0.2)
    ann = site.queue.worker()
    ann.claim(1, 0.01)
    ann.begin(ann.claim(1, 0.01)[0])  # and dies
    lapse(site.queue.redis)
    submit(site, "b", seconds=3)
    submit(site, "c", seconds=0.2)

    with site.worker(module="tests.chaos.stand_in", slots=3, lease_s=LEASE_S):
        jobs = {job_id: site.ended(job_id) for job_id in "abc"}

    spans = {job_id: (job.started_ms, job.ended_ms) for job_id, job in jobs.items()}
    begin, end = spans["a"]
    assert site.attempts("a") == 2
    assert all(stop <= begin or start >= end for job_id, (start, stop) in spans.items() if job_id != "a")


def test_a_worker_whose_model_is_lost_ends_and_leaves_its_jobs_to_others(site: Site, face: Path, monkeypatch):
    for job_id in ("a", "b", "c"):
        site.submit(job_id, face)

    with monkeypatch.context() as environment:
        environment.setenv("CHAOS_MODEL", "lost")
        with site.worker(module="tests.chaos.stand_in", slots=2, lease_s=LEASE_S) as running:
            assert running.popen.wait(HANG_S) == 1
            assert running.said("the model does not run any more")
    lapse(site.queue.redis)
    with site.worker(module="tests.chaos.stand_in", slots=2, lease_s=LEASE_S):
        jobs = [site.ended(job_id) for job_id in ("a", "b", "c")]

    assert [job.state for job in jobs] == [State.SUCCEEDED] * 3
    assert max(map(site.attempts, ("a", "b", "c"))) == 2
