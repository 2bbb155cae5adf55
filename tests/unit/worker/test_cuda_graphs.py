"""Runs on a GPU, on tensors of the processor: ONNX Runtime takes the same calls for both."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from structlog.testing import capture_logs

from service.worker import session as of_session
from service.worker.cuda_graphs import CudaGraphRuns, ReplayRefused
from service.worker.onnx_model import open_models
from tests.bundles import write_bundle

CUDA = "CUDAExecutionProvider"
COLUMNS = {"expression": 2, "dimensions": 2, "personality": 2}
OnCpu = partial(CudaGraphRuns, device="cpu")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "b")


@pytest.fixture
def opened(bundle: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(bundle / "model.onnx", providers=["CPUExecutionProvider"])


def clips(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 16, 16, 3), np.uint8)


def test_each_batch_gives_what_the_session_gives_in_any_order(opened):
    runs = OnCpu(opened, "clip", COLUMNS)

    for seed, count in enumerate((4, 1, 4, 2, 4, 1)):
        batch = clips(count, seed)
        for ours, theirs in zip(runs(batch), opened.run(list(COLUMNS), {"clip": batch}), strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6)


def test_what_a_batch_gave_stays_when_the_next_one_runs(opened):
    runs = OnCpu(opened, "clip", COLUMNS)
    first = runs(clips(2, seed=1))
    kept = [output.copy() for output in first]

    runs(clips(2, seed=2))

    assert all(np.array_equal(one, other) for one, other in zip(first, kept, strict=True))


def test_a_batch_size_is_recorded_once_whichever_thread_calls(opened, monkeypatch):
    threads, run = [], onnxruntime.InferenceSession.run_with_iobinding

    def noted(self, *args):
        threads.append(threading.get_ident())
        return run(self, *args)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", noted)
    runs = OnCpu(opened, "clip", COLUMNS)
    runs(clips(2))
    before = len(threads)

    with ThreadPoolExecutor(1) as other:
        other.submit(runs, clips(2)).result()

    assert len(set(threads)) == 1
    assert len(threads) == before + 1


class Stale(onnxruntime.InferenceSession):
    """A session that replays its first run, whatever the clips are."""

    ran = False

    def run_with_iobinding(self, *args):
        if not self.ran:
            super().run_with_iobinding(*args)
        self.ran = True


def test_recorded_runs_that_give_other_outputs_are_refused(bundle: Path):
    stale = Stale(bundle / "model.onnx", providers=["CPUExecutionProvider"])

    with pytest.raises(ReplayRefused):
        OnCpu(stale, "clip", COLUMNS)


def fake_card(monkeypatch, *, base=onnxruntime.InferenceSession, graphs: bool = True) -> list[dict[str, str]]:
    """Let a processor's sessions pass for a GPU's; return the list of the settings that they are opened with."""
    told: list[dict[str, str]] = []

    class Cuda(base):
        def __init__(self, path, *, providers, **options):
            [(_, settings)] = providers
            told.append(settings)
            if not graphs and settings.get("enable_cuda_graph") == "1":
                raise RuntimeError("This session cannot use the graph capture feature")
            super().__init__(path, providers=["CPUExecutionProvider"], **options)

        def get_providers(self):
            return [CUDA, *super().get_providers()]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Cuda)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(of_session, "CudaGraphRuns", OnCpu)
    return told


def test_a_card_replays_its_batches(bundle: Path, monkeypatch):
    told = fake_card(monkeypatch)

    [model] = open_models([bundle], ["cuda"])

    assert told == [{"use_tf32": "0", "enable_cuda_graph": "1"}]
    assert model.batch_sizes[-1] == 64
    [row] = model.run(np.full((1, 4, 16, 16, 3), 51, np.uint8))
    assert row["expression"] == pytest.approx([0.8, 0.2], abs=1e-6)


@pytest.mark.parametrize(("base", "graphs"), [(onnxruntime.InferenceSession, False), (Stale, True)])
def test_a_card_that_cannot_replay_runs_without_and_says_so(bundle: Path, monkeypatch, base, graphs: bool):
    told = fake_card(monkeypatch, base=base, graphs=graphs)

    with capture_logs() as logs:
        [model] = open_models([bundle], ["cuda"])

    assert told == [{"use_tf32": "0", "enable_cuda_graph": "1"}, {"use_tf32": "0"}]
    assert [line["graph"] for line in logs if "no CUDA graphs" in line["event"]] == ["model.onnx"]
    [row] = model.run(np.full((1, 4, 16, 16, 3), 51, np.uint8))
    assert row["expression"] == pytest.approx([0.8, 0.2], abs=1e-6)
