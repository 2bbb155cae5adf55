"""Convert between the models of `mien.contract` and the messages of `affect.v1`."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError

from mien.contract.bundle import TaskKind
from mien.contract.errors import BadFrame, InvalidOption, Problem
from mien.contract.events import FaceWindow
from mien.contract.jobs import State
from mien.contract.live_messages import MOST_SIDE, Encoding, LiveFrame
from mien.contract.options import AnalyzeOptions, LiveOptions
from mien.contract.results import (
    Analysis,
    Face,
    FacePicture,
    ModelInfo,
    Progress,
    Scores,
    Summary,
    Timings,
    Video,
    Window,
)
from service.gateway.error_mapping import invalid_option
from service.gateway.findings import StoredFindings
from service.pb.affect.v1 import affect_pb2 as pb

Options = TypeVar("Options", bound=LiveOptions)

_STATES = {
    State.QUEUED: pb.STATE_QUEUED,
    State.RUNNING: pb.STATE_RUNNING,
    State.SUCCEEDED: pb.STATE_SUCCEEDED,
    State.FAILED: pb.STATE_FAILED,
}
_TASKS: dict[TaskKind, Any] = {
    "expression": pb.TASK_EXPRESSION,
    "dimensions": pb.TASK_DIMENSIONS,
    "personality": pb.TASK_PERSONALITY,
}

MOST_MESSAGE_BYTES = 1 << 20
"""The largest message that is sent, as `proto/` says."""

_ROOM = MOST_MESSAGE_BYTES - 1024  # the rest is for the messages around
_FRAME = 5  # bytes of an element of a repeated field in addition to its own: its tag and its length


def options_of(message: pb.Options) -> AnalyzeOptions:
    """Return the options of the analysis of a video.

    Raises:
        InvalidOption: a value is not valid.
    """
    return _given(message, AnalyzeOptions, "faces", "start_s", "end_s", "hop_s", "track", "pictures", "callback_url")


def live_options_of(message: pb.LiveOptions) -> LiveOptions:
    """Return the options of a live analysis.

    Raises:
        InvalidOption: a value is not valid.
    """
    return _given(message, LiveOptions, "faces", "hop_s")


def live_frame_of(message: pb.LiveFrame) -> LiveFrame:
    """Return a live frame.

    Raises:
        BadFrame: the message has no picture.
    """
    kind = message.WhichOneof("image")
    if kind == "raw":
        raw = message.raw
        return LiveFrame(message.time_s, Encoding.RGB, raw.rgb, min(raw.width, MOST_SIDE), min(raw.height, MOST_SIDE))
    if kind is None:
        raise BadFrame("A frame needs a picture: jpeg, png or raw.")
    return LiveFrame(message.time_s, Encoding[kind.upper()], getattr(message, kind))


def _given(message: Message, model: type[Options], *names: str) -> Options:
    given: dict[str, Any] = {name: getattr(message, name) for name in names if message.HasField(name)}
    if tasks := getattr(message, "tasks"):  # noqa: B009 - messages have no static types
        kinds = {number: kind for kind, number in _TASKS.items()}
        try:
            given["tasks"] = [kinds[task] for task in tasks]
        except KeyError as error:
            raise InvalidOption("tasks: use TASK_EXPRESSION, TASK_DIMENSIONS or TASK_PERSONALITY.") from error
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid_option(error.errors()[0]) from error


def state_of(number: int) -> State | None:
    """Return the state by which a list is filtered; None for all states.

    Raises:
        InvalidOption: a list cannot be filtered by this state.
    """
    if number == pb.STATE_UNSPECIFIED:
        return None
    for state, its in _STATES.items():
        if its == number:
            return state
    raise InvalidOption("state: use STATE_QUEUED, STATE_RUNNING, STATE_SUCCEEDED or STATE_FAILED.")


def analysis_message(analysis: Summary, findings: StoredFindings | None = None) -> pb.Analysis:
    """Return an analysis without its faces."""
    message = pb.Analysis(
        id=analysis.id,
        state=_STATES[analysis.state],
        created_at=_timestamp(analysis.created_at.timestamp()),
        progress=progress_message(analysis.progress),
    )
    if analysis.expires_at is not None:
        message.expires_at.CopyFrom(_timestamp(analysis.expires_at.timestamp()))
    if analysis.error is not None:
        message.error.CopyFrom(problem_message(analysis.error))
    if isinstance(analysis, Analysis) and analysis.timings_ms is not None:
        message.timings.CopyFrom(_timings(analysis.timings_ms))
    if findings is not None:
        message.warnings.extend(findings.warnings)
        message.models.extend(map(_model, findings.models))
        message.video.CopyFrom(_video(findings.video))
    return message


def analysis_with_faces(analysis: Analysis, findings: StoredFindings | None) -> pb.Analysis:
    """Return an analysis with its faces, without their timelines and paths, as far as a message has room for them."""
    message = analysis_message(analysis, findings)
    size = message.ByteSize()
    for face in map(_verdict, findings.faces() if findings else ()):
        size += face.ByteSize() + _FRAME
        if size > _ROOM:
            message.more_faces += 1
        else:
            message.faces.append(face)
    return message


def face_messages(face: Face, *, timeline: bool) -> Iterator[pb.Face]:
    """Yield a face with path, pictures and, if `timeline`, its timeline, split into messages below the size limit."""
    message = _verdict(face)
    size = message.ByteSize()
    for field, part in _face_parts(face, timeline=timeline):
        part_size = part.ByteSize() + _FRAME
        if size + part_size > _ROOM:
            yield message
            message = pb.Face(track=face.track)
            size = message.ByteSize()
        getattr(message, field).append(part)
        size += part_size
    yield message


def _face_parts(face: Face, *, timeline: bool) -> Iterator[tuple[str, Message]]:
    if timeline:
        for window in face.timeline:
            yield "timeline", window_message(face.track, window)
    for time_s, x, y, width, height in face.path:
        yield "path", pb.PathPoint(time_s=time_s, x=x, y=y, width=width, height=height)
    for picture in face.pictures or ():
        yield "pictures", _picture(picture)


def window_message(track: int, window: Window) -> pb.Window:
    """Return the scores of one window of a face."""
    message = pb.Window(
        track=track, start_s=window.start_s, end_s=window.end_s, scores=_scores(window), quality=window.quality
    )
    if isinstance(window, FaceWindow) and window.box is not None:
        x, y, width, height = window.box
        message.box.CopyFrom(pb.PathPoint(time_s=window.end_s, x=x, y=y, width=width, height=height))
    return message


def progress_message(progress: Progress) -> pb.Progress:
    """Return the progress of an analysis."""
    return pb.Progress(done_s=progress.done_s, total_s=progress.total_s)


def problem_message(problem: Problem) -> pb.Problem:
    """Return an error."""
    return pb.Problem(code=problem.code, title=problem.title, detail=problem.detail)


def _picture(picture: FacePicture) -> pb.FacePicture:
    return pb.FacePicture(time_s=picture.time_s, jpeg=base64.b64decode(picture.jpeg))


def _verdict(face: Face) -> pb.Face:
    return pb.Face(
        track=face.track,
        start_s=face.start_s,
        end_s=face.end_s,
        coverage=face.coverage,
        scores=_scores(face),
        personality=face.personality,
    )


def _scores(scores: Scores) -> pb.Scores:
    message = pb.Scores(valence=scores.valence, arousal=scores.arousal, dominance=scores.dominance)
    if scores.expression is not None:
        message.expression.CopyFrom(pb.Expression(label=scores.expression.label, scores=scores.expression.scores))
    return message


def _model(model: ModelInfo) -> pb.Model:
    return pb.Model(
        name=model.name,
        version=model.version,
        sha256=model.sha256,
        trained=model.trained,
        tasks=[_TASKS[task] for task in model.tasks],
        precision=model.precision,
    )


def _video(video: Video) -> pb.Video:
    return pb.Video(
        duration_s=video.duration_s,
        fps=video.fps,
        width=video.width,
        height=video.height,
        frames=video.frames,
        track=video.track,
    )


def _timings(timings: Timings) -> pb.Timings:
    return pb.Timings(
        queued_ms=timings.queued,
        decode_ms=timings.decode,
        inference_ms=timings.inference,
        total_ms=timings.total,
    )


def _timestamp(unix_s: float) -> Timestamp:
    message = Timestamp()
    message.FromMilliseconds(round(unix_s * 1000))
    return message
