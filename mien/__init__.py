"""Read affect from faces in video: the client of a Mien service, its options, its results and its errors.

    from mien import Mien

    with Mien("http://127.0.0.1:8000") as mien:
        analysis = mien.analyze("clip.mp4")

Names are imported from their modules when they are first used, so that `import mien` itself takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.client import Analysis, AsyncMien, Mien
    from mien.contract import errors
    from mien.contract.errors import (
        AnswerNotRead,
        AttemptsExhausted,
        BadFrame,
        BadMedia,
        BadTime,
        CannotDecode,
        CrossSite,
        DecodeStalled,
        DecodeTooCostly,
        DigestMismatch,
        EmptyUpload,
        Expired,
        FramesStalled,
        HostNotAllowed,
        Internal,
        InvalidOption,
        InvalidRequest,
        KeyInUse,
        KeyRefused,
        KeyRequired,
        KeyReused,
        MalformedBody,
        MethodNotAllowed,
        MienError,
        Missing,
        NoFrames,
        NoSuchAnalysis,
        NoSuchPage,
        NoSuchUpload,
        NotEnded,
        NotOffered,
        NoVideoStream,
        NoWorker,
        QueueFull,
        QueueUnavailable,
        QuotaReached,
        Refused,
        ScopeMissing,
        SessionLost,
        StorageUnavailable,
        TooLong,
        TooManyConnections,
        TooManyPixels,
        TooManyWatchers,
        TooManyWrongKeys,
        TruncatedVideo,
        Unauthorized,
        Unavailable,
        Unexpected,
        UnknownOption,
        Unreachable,
        UnsupportedCodec,
        UnsupportedContainer,
        UnsupportedEncoding,
        UploadStalled,
        UploadTooLarge,
        WrongField,
    )
    from mien.contract.events import Began, Ended, FaceWindow
    from mien.contract.jobs import State
    from mien.contract.live_messages import LiveScored
    from mien.contract.options import AnalyzeOptions, LiveOptions
    from mien.contract.results import Expression, Face, Progress, Summary, Window
    from mien.contract.workers import Models

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "AnalyzeOptions",
    "AnswerNotRead",
    "AsyncMien",
    "AttemptsExhausted",
    "BadFrame",
    "BadMedia",
    "BadTime",
    "Began",
    "CannotDecode",
    "CrossSite",
    "DecodeStalled",
    "DecodeTooCostly",
    "DigestMismatch",
    "EmptyUpload",
    "Ended",
    "Expired",
    "Expression",
    "Face",
    "FaceWindow",
    "FramesStalled",
    "HostNotAllowed",
    "Internal",
    "InvalidOption",
    "InvalidRequest",
    "KeyInUse",
    "KeyRefused",
    "KeyRequired",
    "KeyReused",
    "LiveOptions",
    "LiveScored",
    "MalformedBody",
    "MethodNotAllowed",
    "Mien",
    "MienError",
    "Missing",
    "Models",
    "NoFrames",
    "NoSuchAnalysis",
    "NoSuchPage",
    "NoSuchUpload",
    "NoVideoStream",
    "NoWorker",
    "NotEnded",
    "NotOffered",
    "Progress",
    "QueueFull",
    "QueueUnavailable",
    "QuotaReached",
    "Refused",
    "ScopeMissing",
    "SessionLost",
    "State",
    "StorageUnavailable",
    "Summary",
    "TooLong",
    "TooManyConnections",
    "TooManyPixels",
    "TooManyWatchers",
    "TooManyWrongKeys",
    "TruncatedVideo",
    "Unauthorized",
    "Unavailable",
    "Unexpected",
    "UnknownOption",
    "Unreachable",
    "UnsupportedCodec",
    "UnsupportedContainer",
    "UnsupportedEncoding",
    "UploadStalled",
    "UploadTooLarge",
    "Window",
    "WrongField",
    "errors",
]

_MODULES = {
    "mien.client": ("Analysis", "AsyncMien", "Mien"),
    "mien.contract.events": ("Began", "Ended", "FaceWindow"),
    "mien.contract.jobs": ("State",),
    "mien.contract.live_messages": ("LiveScored",),
    "mien.contract.options": ("AnalyzeOptions", "LiveOptions"),
    "mien.contract.results": ("Expression", "Face", "Progress", "Summary", "Window"),
    "mien.contract.workers": ("Models",),
}
_MODULE_OF = dict.fromkeys(__all__, "mien.contract.errors")  # every error that a client can meet
_MODULE_OF |= {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - classes of many kinds
    """Import a public name from its module on first use (PEP 562)."""
    if name == "errors":
        return import_module("mien.contract.errors")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
