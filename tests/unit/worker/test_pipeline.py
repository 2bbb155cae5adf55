"""A real video through child, batcher and tiny models; no Redis."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from mien.contract.errors import CannotDecode, InvalidOption, Misconfigured, TooLong
from mien.contract.events import FaceWindow
from mien.contract.options import AnalyzeOptions, LiveOptions
from mien.contract.results import Findings, Progress
from service.vision.clips import Clip, FaceSeen, Progressed, VideoEnded
from service.vision.decode_device import GpuUnavailable, try_gpu
from service.vision.faces import MODEL
from service.worker.batcher import Batcher
from service.worker.decode_child import Assignment, VideoPart
from service.worker.onnx_model import open_models
from service.worker.pipeline import AnalysisEvent, Analyzed, DecodeSettings, FrameTaken, Pipeline
from service.worker.sandbox import ChildLost, InterruptedWork, Sandbox
from tests.bundles import DIMENSIONS, EXPRESSION, PERSONALITY, write_bundle
from tests.videos import Actor, face_video, scene, still, write_video

pytestmark = pytest.mark.usefixtures("fork_server")

MakePipeline = Callable[..., Pipeline]


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[MakePipeline]:
    """Makes a pipeline over bundles, one with all tasks where none is given."""
    batchers = []

    def make(*bundles: Path, **settings) -> Pipeline:
        models = open_models(bundles or [write_bundle(tmp_path / "bundle")], ["cpu"])
        batchers.append(Batcher(models, 0.002, lambda *_: None, pytest.fail))
        return Pipeline(models, Sandbox(30), batchers[-1], DecodeSettings(**settings))

    yield make
    for batcher in batchers:
        batcher.close()


def analyze(pipeline: Pipeline, video: Path, **options) -> list[AnalysisEvent]:
    return list(pipeline.analyze("job", video, AnalyzeOptions(**options), threading.Event()))


def findings(events: list[AnalysisEvent]) -> Findings:
    assert isinstance(events[-1], Analyzed)
    return events[-1].findings


def test_a_detector_that_cannot_be_loaded_is_the_operators_error_before_any_video(
    pipeline: MakePipeline, tmp_path: Path
):
    with pytest.raises(Misconfigured, match=r"nowhere\.onnx"):
        pipeline(yunet_model=tmp_path / "nowhere.onnx")


def test_a_detector_that_is_lost_while_the_worker_runs_is_no_fault_of_a_video(
    pipeline: MakePipeline, tmp_path: Path, face: Path
):
    model = tmp_path / "yunet.onnx"
    model.write_bytes(MODEL.read_bytes())
    opened = pipeline(yunet_model=model)
    model.unlink()

    with pytest.raises(ChildLost):
        analyze(opened, face)


def test_a_video_gives_progress_windows_and_at_last_what_was_found(pipeline: MakePipeline, face: Path):
    events = analyze(pipeline(), face, pictures=True)

    assert events[0] == Progress(done_s=0.0, total_s=1.6)
    assert [type(event) for event in events].count(Analyzed) == 1
    progress = [event.done_s for event in events if isinstance(event, Progress)]
    assert progress == sorted(progress)
    assert events[-2] == Progress(done_s=1.6, total_s=1.6)
    found = findings(events)
    assert found.video.model_dump(exclude_unset=True) == {
        "duration_s": 1.6,
        "fps": 25.0,
        "width": 320,
        "height": 240,
        "frames": 40,
    }
    [one] = found.faces
    windows = sorted(
        (event for event in events if isinstance(event, FaceWindow)), key=lambda window: (window.start_s, window.end_s)
    )
    assert [window.model_dump(exclude={"track", "box"}, exclude_unset=True) for window in windows] == [
        window.model_dump(exclude_unset=True) for window in one.timeline
    ]
    assert {window.track for window in windows} == {one.track}
    for window in windows:
        near = min(one.path, key=lambda point: abs(point[0] - window.end_s))
        assert window.box == pytest.approx(near[1:], abs=12)
    assert len(one.pictures) == 2  # one a second
    assert (one.start_s, one.coverage) == (0.0, 1.0)
    assert one.timeline[0].start_s == 0.0
    assert one.timeline[-1].end_s == pytest.approx(1.6, abs=0.05)
    assert events[-1].decode_ms > 0
    assert events[-1].inference_ms >= 0


def progress_of(events: list[AnalysisEvent]) -> list[Progress]:
    return [event for event in events if isinstance(event, Progress)]


def test_progress_of_a_part_counts_the_part_alone(pipeline: MakePipeline, tmp_path: Path):
    video = face_video(tmp_path / "face.mp4", seconds=4)

    made = pipeline()

    part = progress_of(analyze(made, video, start_s=1, end_s=3))
    rest = progress_of(analyze(made, video, start_s=3, end_s=9))

    assert {one.total_s for one in part} == {2.0}
    assert (part[0].done_s, part[-1].done_s) == (0.0, 2.0)
    assert {one.total_s for one in rest} == {1.0}
    assert rest[-1].done_s == 1.0


def test_a_face_that_is_shown_between_two_samples_has_no_window(pipeline: MakePipeline, tmp_path: Path):
    bundle = write_bundle(tmp_path / "bundle", frames=4, interval_s=1.0, hop_s=2.0)
    shown = Actor(lambda _: (0.5, 0.45, 0.4), enters_s=1.1, leaves_s=1.95)
    video = write_video(tmp_path / "brief.mp4", scene([shown], seconds=3.0))

    [one] = findings(analyze(pipeline(bundle), video)).faces

    assert one.timeline == []
    assert one.expression is None


def test_a_part_long_after_a_key_frame_is_no_stall(pipeline: MakePipeline, tmp_path: Path):
    video = write_video(
        tmp_path / "once.mp4",
        scene([still()], seconds=12),
        keyframes=100_000,
        options={"x264-params": "scenecut=0:keyint=infinite"},
    )

    told = progress_of(analyze(pipeline(), video, start_s=11))

    # About once for each second that is passed; a child that says nothing for long is killed.
    assert [one.done_s for one in told[:10]] == [0.0] * 10


def test_the_scores_are_those_of_the_model(pipeline: MakePipeline, face: Path):
    [one] = findings(analyze(pipeline(), face)).faces

    for scores in [one, *one.timeline]:
        bright = scores.expression.scores["bright"]
        assert 0.1 < bright < 0.9
        assert scores.expression.scores["dark"] == pytest.approx(1 - bright, abs=2e-4)
        # Both dimensions are the same brightness, one of them over a range of its own.
        assert scores.valence == pytest.approx(2 * bright - 1, abs=3e-4)
        assert scores.arousal == pytest.approx(2 * bright - 1, abs=3e-4)
    assert one.personality == {"openness": one.expression.scores["bright"], "neuroticism": 0.25}


def test_the_same_video_gives_the_same_findings(pipeline: MakePipeline, face: Path):
    made = pipeline()

    assert findings(analyze(made, face)) == findings(analyze(made, face))


def test_only_the_tasks_that_are_asked_for_are_answered(pipeline: MakePipeline, face: Path):
    [one] = findings(analyze(pipeline(), face, tasks=["dimensions"])).faces

    assert {"valence", "arousal"} <= one.model_fields_set
    assert not {"expression", "personality"} & one.model_fields_set
    assert one.timeline[0].model_fields_set == {"start_s", "end_s", "valence", "arousal", "quality"}


def test_a_task_that_is_not_served_is_refused_before_the_video_is_touched(pipeline: MakePipeline, tmp_path: Path):
    made = pipeline(write_bundle(tmp_path / "one", [EXPRESSION]))

    with pytest.raises(InvalidOption, match=r"No model here serves the task personality\. Served tasks: expression"):
        analyze(made, tmp_path / "none.mp4", tasks=["expression", "personality"])


def test_models_with_different_inputs_are_served_from_one_pass(pipeline: MakePipeline, tmp_path: Path, face: Path):
    made = pipeline(
        write_bundle(tmp_path / "one", [EXPRESSION, DIMENSIONS], name="one"),
        write_bundle(tmp_path / "two", [PERSONALITY], name="two", frames=8, size=32, hop_s=0.4),
    )

    found = findings(analyze(made, face))
    [one] = found.faces

    assert [model.name for model in found.models] == ["one", "two"]
    assert {"expression", "valence", "personality"} <= one.model_fields_set
    lengths = {
        round(window.end_s - window.start_s, 2) for window in one.timeline if "expression" in window.model_fields_set
    }
    others = {round(window.end_s - window.start_s, 2) for window in one.timeline if window.expression is None}
    assert max(lengths) == pytest.approx(0.4, abs=0.05)
    assert max(others) == pytest.approx(0.8, abs=0.05)


def test_models_with_the_same_input_share_their_clips(pipeline: MakePipeline, tmp_path: Path, face: Path):
    made = pipeline(
        write_bundle(tmp_path / "one", [EXPRESSION], name="one"),
        write_bundle(tmp_path / "two", [DIMENSIONS], name="two"),
    )

    [one] = findings(analyze(made, face)).faces

    assert all({"expression", "valence"} <= window.model_fields_set for window in one.timeline)


def test_only_the_models_that_are_needed_are_named(pipeline: MakePipeline, tmp_path: Path, face: Path):
    made = pipeline(
        write_bundle(tmp_path / "one", [EXPRESSION], name="one"),
        write_bundle(tmp_path / "two", [DIMENSIONS], name="two"),
    )

    assert [model.name for model in findings(analyze(made, face, tasks=["dimensions"])).models] == ["two"]


def test_a_shorter_hop_gives_more_windows(pipeline: MakePipeline, face: Path):
    made = pipeline()

    [few] = findings(analyze(made, face, hop_s=0.5)).faces
    [many] = findings(analyze(made, face, hop_s=0.1)).faces

    assert len(many.timeline) > 2 * len(few.timeline)


def test_a_video_without_a_face_is_a_success_that_says_so(pipeline: MakePipeline, faceless: Path):
    found = findings(analyze(pipeline(), faceless))

    assert found.faces == []
    assert [warning for warning in found.warnings if "No face was found" in warning]


@pytest.mark.parametrize("trained", [True, False])
def test_an_untrained_model_is_warned_of(pipeline: MakePipeline, tmp_path: Path, faceless: Path, trained: bool):
    found = findings(analyze(pipeline(write_bundle(tmp_path / "b", trained=trained)), faceless))

    assert any("tiny 1.0 is not trained" in warning for warning in found.warnings) is not trained


def test_an_answer_repeats_what_a_bundle_warns_of(pipeline: MakePipeline, tmp_path: Path, faceless: Path):
    bundle = write_bundle(tmp_path / "b", warnings=["It was trained on 9 clips."])

    found = findings(analyze(pipeline(bundle), faceless))

    assert found.warnings[0] == "The model tiny: It was trained on 9 clips."


def test_settings_bound_the_video(pipeline: MakePipeline, face: Path):
    with pytest.raises(TooLong):
        analyze(pipeline(max_duration_s=0.5), face)


def test_an_interruption_ends_the_work_and_the_child(pipeline: MakePipeline, long_face: Path):
    interrupted = threading.Event()
    events = pipeline().analyze("job", long_face, AnalyzeOptions(), interrupted)
    next(events)
    interrupted.set()

    with pytest.raises(InterruptedWork):
        list(events)

    assert multiprocessing.active_children() == []


def test_a_job_that_waits_for_the_model_keeps_moving_and_can_be_interrupted(
    pipeline: MakePipeline, face: Path, monkeypatch
):
    interrupted, waits = threading.Event(), []

    def on_wait() -> None:
        waits.append(1)
        if len(waits) == 2:
            interrupted.set()

    made = pipeline()
    monkeypatch.setattr(made._batcher, "submit", lambda *_: Future())  # no run ever comes to these clips
    with pytest.raises(InterruptedWork):
        list(made.analyze("job", face, AnalyzeOptions(), interrupted, on_wait=on_wait))

    assert len(waits) == 2
    assert multiprocessing.active_children() == []


def test_a_consumer_that_stops_reading_leaves_no_child_behind(pipeline: MakePipeline, long_face: Path):
    events = pipeline().analyze("job", long_face, AnalyzeOptions(), threading.Event())
    next(events)

    events.close()

    assert multiprocessing.active_children() == []


def test_a_child_that_contradicts_itself_is_a_bad_video(pipeline: MakePipeline, face: Path, monkeypatch):
    made = pipeline()
    seen = FaceSeen(track=0, start_s=0.0, end_s=1.0, samples=1, path=[])
    ended = VideoEnded(duration_s=1.0, fps=None, width=9, height=9, frames=1, samples=0, warnings=[])
    monkeypatch.setattr(made._sandbox, "decode", lambda *_: (event for event in (seen, ended)))

    with pytest.raises(CannotDecode):
        analyze(made, face)


def test_a_child_that_was_killed_is_child_lost(pipeline: MakePipeline, long_face: Path):
    events = pipeline().analyze("job", long_face, AnalyzeOptions(), threading.Event())
    next(events)
    [child] = multiprocessing.active_children()
    os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(ChildLost):
        list(events)


def test_two_videos_at_once_do_not_mix(pipeline: MakePipeline, face: Path, long_face: Path):
    made = pipeline()
    found: dict[Path, Findings] = {}

    def work(video: Path) -> None:
        events = list(made.analyze(video.name, video, AnalyzeOptions(end_s=2.0), threading.Event()))
        found[video] = findings(events)

    threads = [threading.Thread(target=work, args=(video,)) for video in (face, long_face)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for video in (face, long_face):
        assert found[video] == findings(analyze(made, video, end_s=2.0))


@pytest.mark.parametrize(
    ("wanted", "again", "warned"), [("cpu", False, False), ("cuda", False, True), ("cuda", True, False)]
)
def test_a_gpu_is_asked_at_the_first_attempt_and_its_failure_told(
    pipeline: MakePipeline, face: Path, wanted, again, warned
):
    """On a machine without a GPU, so that each ask fails."""
    with pytest.raises(GpuUnavailable):
        try_gpu()
    before = decoded("cpu")

    with capture_logs() as logs:
        events = list(
            pipeline(decode_device=wanted).analyze("job", face, AnalyzeOptions(), threading.Event(), again=again)
        )

    assert findings(events).faces
    assert any("decoded on the processor" in line["event"] for line in logs) == warned
    assert decoded("cpu") == before + 1


def test_nothing_of_live_frames_is_kept(pipeline: MakePipeline, face: Path, monkeypatch):
    runs, decode = [], Sandbox.decode
    opened = pipeline()
    begin = opened._run

    def of_the_video(sandbox: Sandbox, wanted: Assignment, interrupted: threading.Event) -> Iterator[object]:
        return decode(sandbox, replace(wanted, source=VideoPart(face, 0.0, None)), interrupted)

    def noted(*how: object) -> object:
        runs.append(begin(*how))
        return runs[-1]

    monkeypatch.setattr(Sandbox, "decode", of_the_video)
    monkeypatch.setattr(opened, "_run", noted)
    reader, _ = multiprocessing.Pipe(duplex=False)

    events = list(opened.watch("live", reader, LiveOptions(), threading.Event()))

    assert any(isinstance(event, FaceWindow) for event in events)
    assert [(run.scores, run.seen) for run in runs] == [({}, [])]


def test_a_window_of_live_frames_does_not_wait_for_the_next_frame(pipeline: MakePipeline, monkeypatch):
    clip = Clip(0, 0, 0.0, 0.4, 4, 0.5, (0, 0, 9, 9), np.zeros((4, 16, 16, 3), np.uint8))
    came = threading.Event()

    def decode(*_: object) -> Iterator[object]:
        yield clip
        yield Progressed(0.4)
        deadline = time.monotonic() + 60
        while not came.wait(0.01) and time.monotonic() < deadline:
            yield None

    monkeypatch.setattr(Sandbox, "decode", decode)
    reader, _ = multiprocessing.Pipe(duplex=False)
    events = pipeline().watch("live", reader, LiveOptions(), threading.Event())

    assert {type(next(events)) for _ in range(2)} == {FrameTaken, FaceWindow}
    came.set()
    assert list(events) == []


def test_live_frames_are_decoded_on_the_processor(pipeline: MakePipeline, monkeypatch):
    asked = []

    def decode(_: Sandbox, wanted: Assignment, _interrupted: threading.Event) -> Iterator[object]:
        asked.append(wanted.device)
        yield from ()

    monkeypatch.setattr(Sandbox, "decode", decode)
    reader, _ = multiprocessing.Pipe(duplex=False)

    list(pipeline(decode_device="cuda").watch("live", reader, LiveOptions(), threading.Event()))

    assert asked == ["cpu"]


def decoded(device: str) -> float:
    return REGISTRY.get_sample_value("mien_worker_videos_decoded_total", {"device": device}) or 0.0
