"""Worker processes at a real queue that are killed, stopped, or given files that are no videos."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from mien.contract.errors import AttemptsExhausted, CannotDecode
from mien.contract.jobs import State
from service.vision.decode_device import GpuUnavailable, try_gpu
from service.worker.settings import WorkerSettings
from tests.bundles import COLUMNS, DIMENSIONS, brightness, write_bundle
from tests.contract.helpers import LEASE_S, lapse
from tests.integration.worker.helpers import Site, decode_children
from tests.processes import HANG_S, descendants, free_port, process, wait_for


def test_a_job_ends_with_one_result_and_without_its_upload(site: Site, face: Path):
    port = free_port()
    with site.worker(metrics_port=port):
        site.submit("a", face, hop_s=0.1)
        job = site.ended("a")
        wait_for(lambda: not site.files("uploads"))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=HANG_S) as answer:
            metrics = answer.read().decode()

    assert (job.state, job.result, job.error) == (State.SUCCEEDED, "results/a.1", None)
    assert (job.done_s, job.total_s) == (1.6, 1.6)
    assert job.decode_ms > 0
    assert job.inference_ms >= 0
    assert site.files("results") == ["a.1"]
    assert stat.S_IMODE((site.blobs / "results/a.1").stat().st_mode) == 0o600
    assert stat.S_IMODE((site.blobs / "results").stat().st_mode) == 0o700
    [one] = site.findings(job).faces
    assert len(one.timeline) > 5
    assert site.queue.is_idle()
    assert 'mien_worker_attempts_total{outcome="succeeded"} 1.0' in metrics
    assert 'mien_worker_provider_info{provider="cpu"} 1.0' in metrics


def test_the_default_bundle_is_served_without_any_setting(site: Site, face: Path):
    with site.worker(bundles=json.dumps([str(folder) for folder in WorkerSettings().bundles])):
        site.submit("a", face)
        findings = site.findings(site.ended("a"))
        [registered] = site.queue.run(site.queue.status.workers())

    [one] = findings.faces
    assert {"expression", "valence", "arousal", "personality"} <= one.model_fields_set
    assert [model.name for model in registered.models] == [model.name for model in findings.models]


def test_a_worker_says_that_it_lives_and_takes_its_leave(site: Site, face: Path):
    with site.worker() as running:
        site.submit("a", face)
        site.ended("a")
        [registered] = wait_for(lambda: site.queue.run(site.queue.status.workers()))

        assert running.end() == 0

    assert (registered.provider, [model.name for model in registered.models]) == ("cpu", ["tiny"])
    assert registered.models[0].labels == ["dark", "bright"]
    assert site.queue.run(site.queue.status.workers()) == []
    assert site.queue.redis.xinfo_consumers("mien:queue", "workers") == []


def test_bad_media_ends_at_the_first_attempt_and_keeps_nothing(site: Site):
    text = site.folder / "text.mp4"
    text.write_text("I am no video.")
    with site.worker():
        site.submit("a", text)
        job = site.ended("a")
        wait_for(lambda: not site.files("uploads"))

    assert (job.state, job.error.code) == (State.FAILED, CannotDecode.code)
    assert site.attempts("a") == 1
    assert site.files("results") == []
    assert site.queue.is_idle()


def test_a_task_that_is_not_served_is_the_requests_fault(site: Site, face: Path):
    only = write_bundle(site.folder / "only", [DIMENSIONS])
    with site.worker(bundles=json.dumps([str(only)])):
        site.submit("a", face, tasks=["expression"])
        job = site.ended("a")

    assert job.error.code == "invalid_option"
    assert site.attempts("a") == 1


def test_an_upload_that_is_not_in_the_store_is_not_blamed_on_the_video(site: Site, face: Path):
    site.submit("a", face)
    (site.blobs / "uploads/a").unlink()
    with site.worker(max_attempts=2):
        job = site.ended("a")

    assert job.error.code == AttemptsExhausted.code
    assert site.attempts("a") == 2
    assert site.queue.redis.lrange("mien:dead", 0, -1) == ["a"]


def test_a_worker_that_is_killed_loses_nothing(site: Site, long_face: Path):
    with site.worker(lease_s=LEASE_S) as first:
        site.submit("a", long_face, hop_s=0.1)
        site.under_way("a")
        family = descendants(first.pid)
        first.end(signal.SIGKILL)
        wait_for(lambda: not [pid for pid in family if Path(f"/proc/{pid}").exists()])
    assert site.queue.find("a").state is State.RUNNING
    lapse(site.queue.redis)

    with site.worker(lease_s=LEASE_S):
        job = site.ended("a")
        wait_for(lambda: not site.files("uploads"))

    assert (job.state, job.result) == (State.SUCCEEDED, "results/a.2")
    assert (site.fence("a"), site.attempts("a")) == (2, 2)
    assert site.files("results") == ["a.2"]
    assert site.queue.is_idle()


def test_a_worker_that_must_go_at_once_hands_its_job_back_uncounted(site: Site, long_face: Path):
    with site.worker(drain_s=0.1) as first:
        site.submit("a", long_face)
        site.under_way("a")
        assert first.end() == 0
    assert site.queue.find("a").state is State.QUEUED
    assert site.attempts("a") == 0
    assert site.queue.depth() == 1
    assert site.files("uploads") == ["a"]

    with site.worker():
        job = site.ended("a")

    assert job.state is State.SUCCEEDED
    assert site.attempts("a") == 1
    assert site.files("results") == [f"a.{site.fence('a')}"]


def test_a_worker_that_may_take_its_time_ends_its_job_and_takes_no_new_one(site: Site, face: Path, long_face: Path):
    with site.worker(slots=1, drain_s=HANG_S) as only:
        site.submit("a", long_face, end_s=6.0)
        site.under_way("a")
        site.submit("b", face)

        assert only.end() == 0

    assert site.queue.find("a").state is State.SUCCEEDED
    assert site.queue.find("b").state is State.QUEUED
    assert site.files("results") == ["a.1"]


def test_a_worker_that_stood_still_for_longer_than_its_lease_can_write_no_second_result(site: Site, long_face: Path):
    with site.worker(lease_s=LEASE_S) as stopped:
        site.submit("a", long_face, hop_s=0.1)
        site.under_way("a")
        stopped.send(signal.SIGSTOP)
        lapse(site.queue.redis)
        with site.worker(lease_s=LEASE_S):
            job = site.ended("a")
            stopped.send(signal.SIGCONT)
            wait_for(lambda: stopped.said('"outcome": "lost"'))

        assert job.result == "results/a.2"
        assert (site.fence("a"), site.attempts("a")) == (2, 2)
        assert site.files("results") == ["a.2"]
        assert site.queue.find("a") == job
        assert site.queue.is_idle()
        wait_for(lambda: not decode_children(stopped))


def test_a_job_whose_child_was_killed_is_tried_again(site: Site, long_face: Path):
    with site.worker() as running:
        site.submit("a", long_face)
        site.under_way("a")
        [child] = decode_children(running)
        os.kill(child, signal.SIGKILL)
        job = site.ended("a")

    assert (job.state, site.attempts("a")) == (State.SUCCEEDED, 2)
    assert site.files("results") == [f"a.{site.fence('a')}"]


def test_cancelling_a_running_job_stops_its_child(site: Site, long_face: Path):
    with site.worker(lease_s=2) as running:
        site.submit("a", long_face, hop_s=0.1)
        site.under_way("a")
        assert decode_children(running)

        site.queue.run(site.queue.jobs.cancel("a"))

        wait_for(lambda: not decode_children(running))
        wait_for(lambda: running.said('"outcome": "lost"'))
        assert running.popen.poll() is None
    assert site.queue.run(site.queue.jobs.find("a")) == "deleted"
    assert site.files("results") == []
    assert site.queue.is_idle()


def test_a_decode_child_holds_no_secret_of_its_worker(site: Site, long_face: Path):
    with site.worker(token="hunter2") as running:
        site.submit("a", long_face)
        site.under_way("a")
        environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in decode_children(running)]

    assert environments
    assert not [text for text in environments if b"hunter2" in text or b"MIEN" in text or b"redis" in text]


def test_nothing_of_a_video_is_logged(site: Site, face: Path):
    with site.worker() as running:
        site.submit("a", face)
        site.ended("a")
        running.end()
        lines = [json.loads(line) for line in running.log.read_text().splitlines()]

    assert [line["event"] for line in lines] == ["sandbox", "ready", "attempt ended", "draining", "stopped"]
    assert lines[2] == lines[2] | {"job": "a", "attempt": 1, "outcome": "succeeded"}
    assert set(lines[2]) <= {"job", "attempt", "outcome", "event", "process", "level", "timestamp"}


def test_a_worker_says_in_its_log_and_in_results_in_which_precision_it_runs(site: Site, face: Path):
    graph = brightness((4, 16, 16, 3), COLUMNS)
    folder = write_bundle(site.folder / "bundle", variants={"int8": graph})
    with site.worker(bundles=json.dumps([str(folder)]), precision="int8") as running:
        site.submit("a", face)
        job = site.ended("a")
        assert running.said('"models": ["tiny 1.0 int8"]')

    assert [model.precision for model in site.findings(job).models] == ["int8"]


def test_a_worker_tries_a_variant_unless_it_is_told_otherwise(site: Site):
    folder = write_bundle(site.folder / "bundle", variants={"int8": brightness((4, 16, 16, 3), COLUMNS)})
    with site.worker(bundles=json.dumps([str(folder)])) as running:
        lines = [json.loads(line) for line in running.log.read_text().splitlines()]

    [tried] = [line for line in lines if line["event"] == "precision"]
    assert tried["chosen"] in ("float32", "int8")
    assert set(tried["tried"]) == {"float32", "int8"}
    assert tried["differences"] == {"int8": "0"}


@pytest.mark.parametrize("broken", ["digest", "missing", "provider", "precision", "gpu", "number"])
def test_a_worker_that_cannot_start_says_why_and_exits_with_two(site: Site, broken: str):
    folder = write_bundle(site.folder / "broken")
    settings = {"MIEN_BUNDLES": json.dumps([str(folder)]), "MIEN_REDIS_URL": site.queue.url}
    if broken == "digest":
        (folder / "MODEL_CARD.md").write_text("# Another\n")
        sentence = "its sha256 differs"
    elif broken == "missing":
        (folder / "manifest.json").unlink()
        sentence = "manifest.json cannot be read"
    elif broken == "provider":
        settings["MIEN_PROVIDERS"] = '["tensorrt"]'
        sentence = "None of the providers tensorrt"
    elif broken == "precision":
        settings["MIEN_PRECISION"] = "int8"
        sentence = "holds no graph in int8, only in float32"
    elif broken == "gpu":
        with pytest.raises(GpuUnavailable):  # else this machine has one
            try_gpu()
        settings["MIEN_DECODE_DEVICE"] = "cuda"
        sentence = "MIEN_DECODE_DEVICE is cuda, and no GPU can be opened"
    else:
        settings["MIEN_SLOTS"] = "none"
        sentence = "MIEN_SLOTS should be a valid integer"

    with process(site.folder, "service.worker", settings) as running:
        assert running.popen.wait(HANG_S) == 2
        [line] = running.log.read_text().splitlines()

    assert json.loads(line)["event"] == "cannot start"
    assert sentence in json.loads(line)["reason"]


def test_a_worker_needs_neither_torch_nor_the_gateways_packages():
    code = (
        "import sys; from service.worker import app; from service.worker.onnx_model import open_models;"
        "from service.worker.settings import WorkerSettings;"
        "open_models(WorkerSettings().bundles, ['cpu']); print(*sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(said.stdout.split())
    assert "onnxruntime" in loaded
    assert loaded.isdisjoint({"torch", "onnx", "model", "fastapi", "uvicorn", "service.gateway"})
