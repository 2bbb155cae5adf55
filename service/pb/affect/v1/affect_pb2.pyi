import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATE_UNSPECIFIED: _ClassVar[State]
    STATE_QUEUED: _ClassVar[State]
    STATE_RUNNING: _ClassVar[State]
    STATE_SUCCEEDED: _ClassVar[State]
    STATE_FAILED: _ClassVar[State]
    STATE_CANCELLED: _ClassVar[State]

class Task(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_UNSPECIFIED: _ClassVar[Task]
    TASK_EXPRESSION: _ClassVar[Task]
    TASK_DIMENSIONS: _ClassVar[Task]
    TASK_PERSONALITY: _ClassVar[Task]
STATE_UNSPECIFIED: State
STATE_QUEUED: State
STATE_RUNNING: State
STATE_SUCCEEDED: State
STATE_FAILED: State
STATE_CANCELLED: State
TASK_UNSPECIFIED: Task
TASK_EXPRESSION: Task
TASK_DIMENSIONS: Task
TASK_PERSONALITY: Task

class Options(_message.Message):
    __slots__ = ("faces", "start_s", "end_s", "hop_s", "tasks", "callback_url", "track", "pictures")
    FACES_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    HOP_S_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    CALLBACK_URL_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    faces: int
    start_s: float
    end_s: float
    hop_s: float
    tasks: _containers.RepeatedScalarFieldContainer[Task]
    callback_url: str
    track: int
    pictures: bool
    def __init__(self, faces: _Optional[int] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., hop_s: _Optional[float] = ..., tasks: _Optional[_Iterable[_Union[Task, str]]] = ..., callback_url: _Optional[str] = ..., track: _Optional[int] = ..., pictures: _Optional[bool] = ...) -> None: ...

class Expression(_message.Message):
    __slots__ = ("label", "scores")
    class ScoresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    label: str
    scores: _containers.ScalarMap[str, float]
    def __init__(self, label: _Optional[str] = ..., scores: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Scores(_message.Message):
    __slots__ = ("expression", "valence", "arousal", "dominance")
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    VALENCE_FIELD_NUMBER: _ClassVar[int]
    AROUSAL_FIELD_NUMBER: _ClassVar[int]
    DOMINANCE_FIELD_NUMBER: _ClassVar[int]
    expression: Expression
    valence: float
    arousal: float
    dominance: float
    def __init__(self, expression: _Optional[_Union[Expression, _Mapping]] = ..., valence: _Optional[float] = ..., arousal: _Optional[float] = ..., dominance: _Optional[float] = ...) -> None: ...

class Window(_message.Message):
    __slots__ = ("track", "start_s", "end_s", "scores", "quality", "box")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    track: int
    start_s: float
    end_s: float
    scores: Scores
    quality: float
    box: PathPoint
    def __init__(self, track: _Optional[int] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., scores: _Optional[_Union[Scores, _Mapping]] = ..., quality: _Optional[float] = ..., box: _Optional[_Union[PathPoint, _Mapping]] = ...) -> None: ...

class PathPoint(_message.Message):
    __slots__ = ("time_s", "x", "y", "width", "height")
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    time_s: float
    x: int
    y: int
    width: int
    height: int
    def __init__(self, time_s: _Optional[float] = ..., x: _Optional[int] = ..., y: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class Face(_message.Message):
    __slots__ = ("track", "start_s", "end_s", "coverage", "scores", "personality", "path", "timeline", "pictures")
    class PersonalityEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    TRACK_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    PERSONALITY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    track: int
    start_s: float
    end_s: float
    coverage: float
    scores: Scores
    personality: _containers.ScalarMap[str, float]
    path: _containers.RepeatedCompositeFieldContainer[PathPoint]
    timeline: _containers.RepeatedCompositeFieldContainer[Window]
    pictures: _containers.RepeatedCompositeFieldContainer[FacePicture]
    def __init__(self, track: _Optional[int] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., coverage: _Optional[float] = ..., scores: _Optional[_Union[Scores, _Mapping]] = ..., personality: _Optional[_Mapping[str, float]] = ..., path: _Optional[_Iterable[_Union[PathPoint, _Mapping]]] = ..., timeline: _Optional[_Iterable[_Union[Window, _Mapping]]] = ..., pictures: _Optional[_Iterable[_Union[FacePicture, _Mapping]]] = ...) -> None: ...

class FacePicture(_message.Message):
    __slots__ = ("time_s", "jpeg")
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    JPEG_FIELD_NUMBER: _ClassVar[int]
    time_s: float
    jpeg: bytes
    def __init__(self, time_s: _Optional[float] = ..., jpeg: _Optional[bytes] = ...) -> None: ...

class Video(_message.Message):
    __slots__ = ("duration_s", "fps", "width", "height", "frames", "track")
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    FPS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    duration_s: float
    fps: float
    width: int
    height: int
    frames: int
    track: int
    def __init__(self, duration_s: _Optional[float] = ..., fps: _Optional[float] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., frames: _Optional[int] = ..., track: _Optional[int] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("done_s", "total_s")
    DONE_S_FIELD_NUMBER: _ClassVar[int]
    TOTAL_S_FIELD_NUMBER: _ClassVar[int]
    done_s: float
    total_s: float
    def __init__(self, done_s: _Optional[float] = ..., total_s: _Optional[float] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "version", "sha256", "trained", "tasks", "precision")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    TRAINED_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    sha256: str
    trained: bool
    tasks: _containers.RepeatedScalarFieldContainer[Task]
    precision: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., sha256: _Optional[str] = ..., trained: _Optional[bool] = ..., tasks: _Optional[_Iterable[_Union[Task, str]]] = ..., precision: _Optional[str] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("code", "title", "detail")
    CODE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    code: str
    title: str
    detail: str
    def __init__(self, code: _Optional[str] = ..., title: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("queued_ms", "decode_ms", "inference_ms", "total_ms")
    QUEUED_MS_FIELD_NUMBER: _ClassVar[int]
    DECODE_MS_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MS_FIELD_NUMBER: _ClassVar[int]
    queued_ms: float
    decode_ms: float
    inference_ms: float
    total_ms: float
    def __init__(self, queued_ms: _Optional[float] = ..., decode_ms: _Optional[float] = ..., inference_ms: _Optional[float] = ..., total_ms: _Optional[float] = ...) -> None: ...

class Analysis(_message.Message):
    __slots__ = ("id", "state", "created_at", "expires_at", "progress", "video", "faces", "models", "warnings", "timings", "error", "more_faces")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MORE_FACES_FIELD_NUMBER: _ClassVar[int]
    id: str
    state: State
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    progress: Progress
    video: Video
    faces: _containers.RepeatedCompositeFieldContainer[Face]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    timings: Timings
    error: Problem
    more_faces: int
    def __init__(self, id: _Optional[str] = ..., state: _Optional[_Union[State, str]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., video: _Optional[_Union[Video, _Mapping]] = ..., faces: _Optional[_Iterable[_Union[Face, _Mapping]]] = ..., models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., warnings: _Optional[_Iterable[str]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., error: _Optional[_Union[Problem, _Mapping]] = ..., more_faces: _Optional[int] = ...) -> None: ...

class Began(_message.Message):
    __slots__ = ("attempt",)
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    def __init__(self, attempt: _Optional[int] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("event_id", "began", "progress", "window", "snapshot", "face", "ended")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    BEGAN_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    FACE_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    began: Began
    progress: Progress
    window: Window
    snapshot: Analysis
    face: Face
    ended: Analysis
    def __init__(self, event_id: _Optional[str] = ..., began: _Optional[_Union[Began, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., window: _Optional[_Union[Window, _Mapping]] = ..., snapshot: _Optional[_Union[Analysis, _Mapping]] = ..., face: _Optional[_Union[Face, _Mapping]] = ..., ended: _Optional[_Union[Analysis, _Mapping]] = ...) -> None: ...

class AnalyzeRequest(_message.Message):
    __slots__ = ("options", "chunk", "idempotency_key", "size_bytes")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    options: Options
    chunk: bytes
    idempotency_key: str
    size_bytes: int
    def __init__(self, options: _Optional[_Union[Options, _Mapping]] = ..., chunk: _Optional[bytes] = ..., idempotency_key: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class AnalyzeResponse(_message.Message):
    __slots__ = ("accepted", "event")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    accepted: Analysis
    event: Event
    def __init__(self, accepted: _Optional[_Union[Analysis, _Mapping]] = ..., event: _Optional[_Union[Event, _Mapping]] = ...) -> None: ...

class GetAnalysisRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetAnalysisResponse(_message.Message):
    __slots__ = ("analysis",)
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    analysis: Analysis
    def __init__(self, analysis: _Optional[_Union[Analysis, _Mapping]] = ...) -> None: ...

class ListAnalysesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "state")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    state: State
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Union[State, str]] = ...) -> None: ...

class ListAnalysesResponse(_message.Message):
    __slots__ = ("analyses", "next_page_token")
    ANALYSES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    analyses: _containers.RepeatedCompositeFieldContainer[Analysis]
    next_page_token: str
    def __init__(self, analyses: _Optional[_Iterable[_Union[Analysis, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchAnalysisRequest(_message.Message):
    __slots__ = ("id", "after_event_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    after_event_id: str
    def __init__(self, id: _Optional[str] = ..., after_event_id: _Optional[str] = ...) -> None: ...

class WatchAnalysisResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: Event
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ...) -> None: ...

class CancelAnalysisRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class CancelAnalysisResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LiveOptions(_message.Message):
    __slots__ = ("faces", "hop_s", "tasks")
    FACES_FIELD_NUMBER: _ClassVar[int]
    HOP_S_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    faces: int
    hop_s: float
    tasks: _containers.RepeatedScalarFieldContainer[Task]
    def __init__(self, faces: _Optional[int] = ..., hop_s: _Optional[float] = ..., tasks: _Optional[_Iterable[_Union[Task, str]]] = ...) -> None: ...

class RawImage(_message.Message):
    __slots__ = ("width", "height", "rgb")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    RGB_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    rgb: bytes
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., rgb: _Optional[bytes] = ...) -> None: ...

class LiveFrame(_message.Message):
    __slots__ = ("time_s", "jpeg", "png", "raw")
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    JPEG_FIELD_NUMBER: _ClassVar[int]
    PNG_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    time_s: float
    jpeg: bytes
    png: bytes
    raw: RawImage
    def __init__(self, time_s: _Optional[float] = ..., jpeg: _Optional[bytes] = ..., png: _Optional[bytes] = ..., raw: _Optional[_Union[RawImage, _Mapping]] = ...) -> None: ...

class AnalyzeLiveRequest(_message.Message):
    __slots__ = ("options", "frame")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    options: LiveOptions
    frame: LiveFrame
    def __init__(self, options: _Optional[_Union[LiveOptions, _Mapping]] = ..., frame: _Optional[_Union[LiveFrame, _Mapping]] = ...) -> None: ...

class AnalyzeLiveResponse(_message.Message):
    __slots__ = ("window", "dropped_frames")
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    window: Window
    dropped_frames: int
    def __init__(self, window: _Optional[_Union[Window, _Mapping]] = ..., dropped_frames: _Optional[int] = ...) -> None: ...
