"""One video → events: decoded in the sandbox, scored in batches, put together. Knows no Redis.

sandbox ─▶ clips ─▶ batcher ─▶ windows ─▶ verdicts
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, Field

from service.contract.bundle import Task, TaskKind
from service.contract.errors import InvalidOption
from service.contract.options import AnalyzeOptions
from service.contract.results import Face, Findings, Progress, Video, Window
from service.vision.clips import Clip, ClipSpec, FaceSeen, Limits, Progressed, VideoEnded, VideoOpened
from service.worker.aggregate import FaceScores
from service.worker.batcher import Batcher, Outputs
from service.worker.decode_child import Assignment
from service.worker.sandbox import Sandbox
from service.worker.session import Model

# Clips of one job that may wait for the model: bounds its memory and keeps the largest batch filled.
_MOST_IN_FLIGHT = 32
_LONGEST_INFERENCE_S = 120


class DecodeSettings(BaseModel):
    """What a stranger's video may use up, and how faces are found."""

    yunet_model: Path | None = Field(
        None, description="An ONNX file of OpenCV's YuNet face detector, used in place of OpenCV's cascade."
    )
    max_pixels: int = Field(7680 * 4320, ge=1, description="Most pixels of a frame.")
    max_duration_s: float = Field(3600, gt=0, description="Longest video in seconds.")
    max_frames: int = Field(500_000, ge=1, description="Most frames of a video.")
    decode_memory_bytes: int = Field(1 << 30, ge=1 << 28, description="Memory that the child may take to decode.")
    decode_cpu_s: int = Field(7200, ge=1, description="Processor seconds of the child that decodes.")
    decode_stall_s: float = Field(30, gt=0, description="Seconds without anything from the child before it is killed.")


@dataclass(frozen=True)
class WindowScored:
    """A window of a face has its scores."""

    track: int
    window: Window


@dataclass(frozen=True)
class Analyzed:
    """The video is done. `decode_ms` is the time waited for the child, `inference_ms` that waited for the model."""

    findings: Findings
    decode_ms: float
    inference_ms: float


Event = Progress | WindowScored | Analyzed


@dataclass
class _Waiting:
    clip: Clip
    futures: list[Future[Outputs]]


@dataclass
class _Faces:
    scores: dict[int, FaceScores] = field(default_factory=dict)
    seen: list[FaceSeen] = field(default_factory=list)


class Pipeline:
    """Analyses videos, several at once from as many threads, over one sandbox and one batcher."""

    def __init__(self, models: Sequence[Model], sandbox: Sandbox, batcher: Batcher, settings: DecodeSettings) -> None:
        self._models = models
        self._sandbox = sandbox
        self._batcher = batcher
        self._settings = settings

    def analyze(self, job: str, video: Path, options: AnalyzeOptions, interrupted: threading.Event) -> Generator[Event]:
        """Yield a video's progress, its windows as they are scored, and at last what was found.

        Args:
            job: by which the batcher tells jobs apart.
            video: the file.
            options: what is asked for.
            interrupted: set by another thread to end the work.

        Raises:
            InvalidOption: a task is asked for that no model has.
            BadMedia: the video is at fault.
            InterruptedWork: `interrupted` was set.
        """
        models = self._asked(options.tasks)
        tasks = [task for _, kept in models for task in kept]
        specs = [_spec(self._models[index], options) for index, _ in models]
        assignment = Assignment(
            video=video,
            specs=tuple(dict.fromkeys(specs)),
            faces=options.faces,
            start_s=options.start_s,
            end_s=options.end_s,
            yunet=self._settings.yunet_model,
            limits=Limits(
                max_pixels=self._settings.max_pixels,
                max_duration_s=self._settings.max_duration_s,
                max_frames=self._settings.max_frames,
            ),
            memory_bytes=self._settings.decode_memory_bytes,
            cpu_s=self._settings.decode_cpu_s,
        )
        faces = _Faces()
        waiting: deque[_Waiting] = deque()
        total_s: float | None = None
        inference_s = 0.0
        started = time.perf_counter()
        with closing(self._sandbox.decode(assignment, interrupted)) as events:
            for event in events:
                if isinstance(event, VideoOpened):
                    total_s = event.total_s
                    yield Progress(done_s=0.0, total_s=total_s)
                elif isinstance(event, Clip):
                    spec = assignment.specs[event.spec]
                    users = [index for (index, _), wanted in zip(models, specs, strict=True) if wanted == spec]
                    waiting.append(_Waiting(event, [self._batcher.submit(i, job, event.pixels) for i in users]))
                elif isinstance(event, FaceSeen):
                    faces.seen.append(event)
                ended = isinstance(event, VideoEnded)
                while waiting and (
                    ended or len(waiting) > _MOST_IN_FLIGHT or all(future.done() for future in waiting[0].futures)
                ):
                    asked = time.perf_counter()
                    scored = _score(waiting.popleft(), tasks, faces)
                    inference_s += time.perf_counter() - asked
                    yield scored
                if isinstance(event, Progressed):
                    yield Progress(done_s=round(event.done_s, 3), total_s=total_s)
                if isinstance(event, VideoEnded):
                    findings = self._findings(event, faces, [index for index, _ in models], tasks)
                    yield Progress(done_s=findings.video.duration_s, total_s=findings.video.duration_s)
                    elapsed = time.perf_counter() - started
                    yield Analyzed(findings, 1000 * (elapsed - inference_s), 1000 * inference_s)

    def _asked(self, kinds: Sequence[TaskKind] | None) -> list[tuple[int, list[Task]]]:
        served = {task.kind for model in self._models for task in model.manifest.tasks}
        for kind in kinds or ():
            if kind not in served:
                raise InvalidOption(f"No model here does the task {kind}; there is {', '.join(sorted(served))}.")
        kept = (
            (index, [task for task in model.manifest.tasks if kinds is None or task.kind in kinds])
            for index, model in enumerate(self._models)
        )
        return [(index, tasks) for index, tasks in kept if tasks]

    def _findings(self, end: VideoEnded, faces: _Faces, used: list[int], tasks: list[Task]) -> Findings:
        found: list[Face] = [
            faces.scores[seen.track].verdict(tasks, seen, end.samples)
            for seen in sorted(faces.seen, key=lambda seen: seen.track)
        ]
        models = [self._models[index].info for index in used]
        warnings = [
            f"The model {model.name} {model.version} is not trained: its scores are arbitrary and mean nothing."
            for model in models
            if not model.trained
        ]
        warnings += end.warnings
        if not found:
            warnings.append(
                "No face was found. Faces are found when they look roughly towards the camera, are upright, "
                "and are at least about a tenth of the picture's height."
            )
        return Findings(
            video=Video(
                duration_s=round(end.duration_s, 3),
                fps=None if end.fps is None else round(end.fps, 3),
                width=end.width,
                height=end.height,
                frames=end.frames,
            ),
            faces=found,
            models=models,
            warnings=warnings,
        )


def _spec(model: Model, options: AnalyzeOptions) -> ClipSpec:
    wanted = model.manifest.input
    return ClipSpec(
        frames=wanted.frames,
        interval_s=wanted.interval_s,
        size=wanted.size,
        margin=model.manifest.crop.margin,
        hop_s=options.hop_s or model.manifest.hop_s,
    )


def _score(item: _Waiting, tasks: Sequence[Task], faces: _Faces) -> WindowScored:
    wanted: set[str] = {task.kind for task in tasks}
    outputs = {
        kind: values
        for future in item.futures
        for kind, values in future.result(_LONGEST_INFERENCE_S).items()
        if kind in wanted
    }
    window = faces.scores.setdefault(item.clip.track, FaceScores()).add(tasks, item.clip, outputs)
    return WindowScored(item.clip.track, window)
