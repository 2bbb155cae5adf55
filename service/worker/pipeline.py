"""Analyse a video or live frames: decode in the sandbox, score clips in batches, aggregate. Independent of Redis.

sandbox ─▶ clips ─▶ batcher ─▶ windows ─▶ verdicts
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from pydantic import BaseModel, Field

from mien.contract.bundle import Task, TaskKind
from mien.contract.containers import OptionalFormat
from mien.contract.errors import InvalidOption
from mien.contract.events import FaceWindow
from mien.contract.options import AnalyzeOptions, LiveOptions
from mien.contract.results import Face, Findings, Progress, Video
from service.vision.clips import Clip, ClipSpec, FaceSeen, Limits, Progressed, VideoEnded, VideoOpened
from service.vision.decode_device import DecodeDevice
from service.vision.faces import open_detector
from service.worker import metrics
from service.worker.aggregate import FaceScores
from service.worker.batcher import Batcher, Outputs
from service.worker.decode_child import Assignment, VideoPart
from service.worker.face_pictures import FacePictures
from service.worker.onnx_model import OnnxModel
from service.worker.pipe import Event
from service.worker.plausible import plausible
from service.worker.sandbox import InterruptedWork, Sandbox

# Clips of one job that may wait for the model: bounds the job's memory, and fills a processor's largest batch.
_MOST_IN_FLIGHT = 32


class DecodeSettings(BaseModel):
    """Limits on decoding untrusted video, and the face detector."""

    yunet_model: Path | None = Field(
        None, description="ONNX file of another model of the face detector YuNet, used instead of Mien's own."
    )
    max_pixels: int = Field(7680 * 4320, ge=1, description="Maximum number of pixels in a frame.")
    max_duration_s: float = Field(3600, gt=0, description="Longest video in seconds.")
    max_frames: int = Field(500_000, ge=1, description="Maximum number of frames in a video.")
    max_decoded_pixels: int = Field(
        500_000_000_000,
        ge=1,
        description="Maximum number of pixels in all decoded frames of a video: its width × height × frames.",
    )
    decode_device: DecodeDevice = Field(
        "cpu",
        description="Where videos are decoded: `cpu`, or `cuda`, by the decoder of an NVIDIA GPU. If the GPU decodes "
        "nothing, the worker does not start; a processor decodes single videos that the GPU cannot. On a GPU "
        "decoding is confined less, and `MIEN_DECODE_MEMORY_BYTES` does not hold.",
    )
    decode_memory_bytes: int = Field(1 << 30, ge=1 << 28, description="Memory limit of the decoding process in bytes.")
    decode_cpu_s: int = Field(7200, ge=1, description="CPU time limit of the decoding process in seconds.")
    decode_stall_s: float = Field(
        30,
        gt=0,
        description="Seconds without output until the decoding process is killed; the time that live frames may take "
        "to come is added.",
    )


@dataclass(frozen=True)
class Analyzed:
    """The result of a video.

    Attributes:
        findings: what was found.
        decode_ms: milliseconds spent waiting for the decode child.
        inference_ms: milliseconds spent waiting for the models.
    """

    findings: Findings
    decode_ms: float
    inference_ms: float


AnalysisEvent = Progress | FaceWindow | Analyzed


@dataclass(frozen=True)
class FrameTaken:
    """A live frame was consumed: the client may send another."""


class Pipeline:
    """Analyse videos with one shared sandbox and batcher; safe to call from several threads.

    Raises:
        Misconfigured: the face detector's model cannot be loaded.
    """

    def __init__(
        self,
        models: Sequence[OnnxModel],
        sandbox: Sandbox,
        batcher: Batcher,
        settings: DecodeSettings,
        formats: Sequence[OptionalFormat] = (),
    ) -> None:
        self._models = models
        self._sandbox = sandbox
        self._batcher = batcher
        self._settings = settings
        self._formats = tuple(formats)
        open_detector(settings.yunet_model)  # a wrong file is no fault of the videos

    def analyze(
        self,
        job: str,
        video: Path,
        options: AnalyzeOptions,
        interrupted: threading.Event,
        *,
        again: bool = False,
        on_wait: Callable[[], None] = lambda: None,
    ) -> Generator[AnalysisEvent]:
        """Analyse a video file: yield progress, each window when it is scored, and the findings last.

        Args:
            job: id by which the batcher shares its time fairly between jobs.
            video: the video file.
            options: the analysis options.
            interrupted: another thread sets it to stop the analysis.
            again: whether it was tried before: then the processor decodes, because a GPU may have failed.
            on_wait: called several times a second while the analysis waits for the models.

        Raises:
            InvalidOption: no model serves a requested task.
            BadMedia: the video cannot be analysed.
            InterruptedWork: `interrupted` was set.
        """
        device: DecodeDevice = "cpu" if again else self._settings.decode_device
        run = self._run(options, VideoPart(video, options.start_s, options.end_s, options.track), device)
        run.pictures = FacePictures() if options.pictures else None
        total_s: float | None = None
        with closing(run.events(job, interrupted, on_wait)) as events:
            for event in events:
                if isinstance(event, VideoOpened):
                    if event.total_s is not None:
                        end_s = event.total_s if options.end_s is None else min(event.total_s, options.end_s)
                        total_s = max(0.0, round(end_s - options.start_s, 3))
                    metrics.DECODED.labels(event.device).inc()
                    yield Progress(done_s=0.0, total_s=total_s)
                elif isinstance(event, FaceWindow):
                    yield event
                elif isinstance(event, Progressed):
                    yield Progress(done_s=round(event.done_s, 3), total_s=total_s)
                elif isinstance(event, VideoEnded):
                    findings = self._findings(event, run)
                    analysed_s = max(0.0, round(findings.video.duration_s - options.start_s, 3))
                    yield Progress(done_s=analysed_s, total_s=analysed_s)
                    yield Analyzed(findings, 1000 * run.decode_s, 1000 * run.inference_s)

    def watch(
        self, session: str, frames: Connection, options: LiveOptions, interrupted: threading.Event
    ) -> Generator[FrameTaken | FaceWindow]:
        """Analyse live frames: yield each window when it is scored, and `FrameTaken` for each consumed frame.

        Args:
            session: id by which the batcher shares its time fairly between jobs.
            frames: pipe of packed frames that ends when the writer closes it; this end is closed once the child has it.
            options: the live options.
            interrupted: another thread sets it to stop the analysis.

        Raises:
            InvalidOption: no model serves a requested task.
            BadMedia: a frame cannot be analysed.
            InterruptedWork: `interrupted` was set.
        """
        with closing(frames):
            run = self._run(options, frames)
            with closing(run.events(session, interrupted)) as events:
                for event in events:
                    if isinstance(event, FaceWindow):
                        yield event
                    elif isinstance(event, Progressed):
                        yield FrameTaken()

    def _run(self, options: LiveOptions, source: VideoPart | Connection, device: DecodeDevice = "cpu") -> _Run:
        models = self._serving(options.tasks)
        specs = [_spec(self._models[index], options) for index, _ in models]
        assignment = Assignment(
            source=source,
            specs=tuple(dict.fromkeys(specs)),
            faces=options.faces,
            yunet=self._settings.yunet_model,
            limits=Limits(
                max_pixels=self._settings.max_pixels,
                max_duration_s=self._settings.max_duration_s,
                max_frames=self._settings.max_frames,
                max_decoded_pixels=self._settings.max_decoded_pixels,
            ),
            memory_bytes=self._settings.decode_memory_bytes,
            cpu_s=self._settings.decode_cpu_s,
            formats=self._formats,
            device=device,
        )
        return _Run(self._sandbox, self._batcher, assignment, models, specs)

    def _serving(self, kinds: Sequence[TaskKind] | None) -> list[tuple[int, list[Task]]]:
        served = {task.kind for model in self._models for task in model.manifest.tasks}
        for kind in kinds or ():
            if kind not in served:
                raise InvalidOption(f"No model here serves the task {kind}. Served tasks: {', '.join(sorted(served))}.")
        kept = (
            (index, [task for task in model.manifest.tasks if kinds is None or task.kind in kinds])
            for index, model in enumerate(self._models)
        )
        return [(index, tasks) for index, tasks in kept if tasks]

    def _findings(self, end: VideoEnded, run: _Run) -> Findings:
        found: list[Face] = [
            run.scores.get(seen.track, FaceScores()).verdict(
                run.tasks, seen, end.samples, None if run.pictures is None else run.pictures.of(seen.track)
            )
            for seen in sorted(run.seen, key=lambda seen: seen.track)
        ]
        models = [self._models[index].info for index, _ in run.models]
        warnings = [
            f"The model {model.name} {model.version} is not trained: its scores are arbitrary and mean nothing."
            for model in models
            if not model.trained
        ]
        warnings += [
            f"The model {self._models[index].info.name}: {warning}"
            for index, _ in run.models
            for warning in self._models[index].manifest.training.warnings
        ]
        warnings += end.warnings
        if not found:
            warnings.append(
                "No face was found. Faces are found when they look roughly towards the camera, are upright, "
                "and are at least about a tenth of the picture's longer side."
            )
        return Findings(
            video=Video(
                duration_s=round(end.duration_s, 3),
                fps=None if end.fps is None else round(end.fps, 3),
                width=end.width,
                height=end.height,
                frames=end.frames,
                **({} if end.track is None else {"track": end.track}),
            ),
            faces=found,
            models=models,
            warnings=warnings,
        )


def _spec(model: OnnxModel, options: LiveOptions) -> ClipSpec:
    wanted = model.manifest.input
    return ClipSpec(
        frames=wanted.frames,
        interval_s=wanted.interval_s,
        size=wanted.size,
        margin=model.manifest.crop.margin,
        hop_s=options.hop_s or model.manifest.hop_s,
    )


class _Run:
    """One pass over a video or live frames: relays the child's events and scores its clips.

    Nothing of live frames is kept: an hour of them would take tens of megabytes that nobody reads.

    Attributes:
        models: (index of a model, the requested tasks that it serves) for each model in use.
        tasks: all requested tasks.
        scores: accumulated scores by track number.
        seen: the faces whose tracks have ended.
        pictures: keeps pictures of the faces, if the options ask for them.
        decode_s: seconds spent waiting for the child.
        inference_s: seconds spent waiting for the models.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        batcher: Batcher,
        assignment: Assignment,
        models: list[tuple[int, list[Task]]],
        specs: list[ClipSpec],
    ) -> None:
        self._sandbox = sandbox
        self._batcher = batcher
        self._assignment = assignment
        self._specs = specs
        self._keeps = isinstance(assignment.source, VideoPart)
        self.models = models
        self.tasks = [task for _, kept in models for task in kept]
        self.scores: dict[int, FaceScores] = {}
        self.seen: list[FaceSeen] = []
        self.pictures: FacePictures | None = None
        self.decode_s = 0.0
        self.inference_s = 0.0

    def events(
        self, name: str, interrupted: threading.Event, on_wait: Callable[[], None] = lambda: None
    ) -> Generator[VideoOpened | Progressed | FaceWindow | VideoEnded]:
        """Yield the child's events, with each clip replaced by its scored window once the model has run."""

        def go_on_waiting() -> None:
            if interrupted.is_set():
                raise InterruptedWork
            on_wait()

        waiting: deque[tuple[Clip, list[Future[Outputs]]]] = deque()
        with closing(self._sandbox.decode(self._assignment, interrupted)) as events:
            for event in self._waiting_for(plausible(events, self._assignment)):
                if isinstance(event, Clip):
                    if self.pictures is not None:
                        self.pictures.add(event)
                    spec = self._assignment.specs[event.spec]
                    users = [i for (i, _), wanted in zip(self.models, self._specs, strict=True) if wanted == spec]
                    waiting.append((event, [self._batcher.submit(i, name, event.pixels) for i in users]))
                elif isinstance(event, FaceSeen) and self._keeps:
                    self.seen.append(event)
                ended = isinstance(event, VideoEnded)
                while waiting and (
                    ended or len(waiting) > _MOST_IN_FLIGHT or all(future.done() for future in waiting[0][1])
                ):
                    began = time.perf_counter()
                    scored = self._score(*waiting.popleft(), go_on_waiting)
                    self.inference_s += time.perf_counter() - began
                    yield scored
                if event is not None and not isinstance(event, Clip | FaceSeen):
                    yield event

    def _waiting_for(self, events: Iterator[Event | None]) -> Iterator[Event | None]:
        """Yield the child's events, and add up the time until each comes."""
        began = time.perf_counter()
        for event in events:
            self.decode_s += time.perf_counter() - began
            yield event
            began = time.perf_counter()

    def _score(self, clip: Clip, futures: list[Future[Outputs]], on_wait: Callable[[], None]) -> FaceWindow:
        wanted: set[str] = {task.kind for task in self.tasks}
        outputs = {
            kind: values
            for future in futures
            for kind, values in self._batcher.outputs(future, on_wait).items()
            if kind in wanted
        }
        face = self.scores.setdefault(clip.track, FaceScores()) if self._keeps else FaceScores()
        return face.add(self.tasks, clip, outputs)
