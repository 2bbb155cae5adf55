"""Every error that a user or an operator can meet, in one tree.

    MienError
    ├── InvalidRequest          the request is wrong: mend it and send it again
    │   ├── InvalidOption · UnknownOption · WrongField · EmptyUpload · MalformedBody · UploadStalled · AnswerNotRead
    │   ├── KeyReused · BadTime · FramesStalled
    ├── Refused                 it comes from where it may not come from
    │   ├── HostNotAllowed · CrossSite
    ├── Unauthorized            who asks must be known
    │   ├── KeyRequired · KeyRefused
    ├── UploadTooLarge
    ├── UnsupportedContainer
    ├── BadMedia                the bytes are no video that can be analysed: final, never retried
    │   ├── CannotDecode · NoVideoStream · NoFrames · UnsupportedCodec · TruncatedVideo
    │   ├── TooManyPixels · TooLong · DecodeStalled · DecodeTooCostly
    │   └── BadFrame
    ├── Missing
    │   ├── NoSuchAnalysis · NoSuchUpload · NoSuchPage · MethodNotAllowed
    ├── Expired
    ├── NotEnded · NotOffered
    ├── Unavailable             try again after `retry_after_s`
    │   ├── QueueFull · QueueUnavailable · StorageUnavailable · KeyInUse · NoWorker · SessionLost ·
    │       TooManyWatchers
    ├── Internal
    │   ├── AttemptsExhausted · Unexpected
    └── Misconfigured           an operator's error: the process refuses to start
        └── BundleRefused

`code` is stable and for programs, `title` is the class's one line for people, and `detail` says what
happened this time and what to do about it. `service.gateway.error_mapping` translates the tree to HTTP and gRPC.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel


class Problem(BaseModel):
    """An error as data: what a failed job keeps and what an answer shows (RFC 9457's `code` extension)."""

    code: str
    title: str
    detail: str


class MienError(Exception):
    """Root of the tree; never raised itself."""

    code: str
    title: str

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def problem(self) -> Problem:
        """Return the error as data."""
        return Problem(code=self.code, title=self.title, detail=self.detail)


class InvalidRequest(MienError):
    """The request is wrong in itself."""


class InvalidOption(InvalidRequest):
    """An option's value cannot be taken."""

    code, title = "invalid_option", "An option's value cannot be taken"


class UnknownOption(InvalidRequest):
    """A query parameter that no option is called by."""

    code, title = "unknown_option", "There is no such option"


class WrongField(InvalidRequest):
    """The form has no file under the name `video`."""

    code, title = "wrong_field", "The form's file must be in the field 'video'"


class EmptyUpload(InvalidRequest):
    """A body or file of zero bytes."""

    code, title = "empty_upload", "The upload is empty"


class MalformedBody(InvalidRequest):
    """A multipart body that does not follow RFC 7578."""

    code, title = "malformed_body", "The request's body cannot be parsed"


class UploadStalled(InvalidRequest):
    """An upload that stood still, or took, for too long."""

    code, title = "upload_stalled", "The upload did not come through in time"


class KeyReused(InvalidRequest):
    """An idempotency key that stands for another request."""

    code, title = "idempotency_key_reused", "The Idempotency-Key was used for another request"


class AnswerNotRead(InvalidRequest):
    """A client that stopped reading what it asked for."""

    code, title = "answer_not_read", "The answer was not read in time"


class BadTime(InvalidRequest):
    """A live frame's time stamp that does not follow the one before."""

    code, title = "bad_time", "The live frame's time cannot be taken"


class FramesStalled(InvalidRequest):
    """A live client that sends no frames."""

    code, title = "frames_stalled", "No live frame came in time"


class Refused(MienError):
    """Nothing is wrong with the request but where it comes from."""


class HostNotAllowed(Refused):
    """A request to a name that this service does not go by."""

    code, title = "host_not_allowed", "The service does not go by this name"


class CrossSite(Refused):
    """A change that a page of another site asks a browser for."""

    code, title = "cross_site", "Another site's page may not do this"


class Unauthorized(MienError):
    """Who asks must be known, and is not."""


class KeyRequired(Unauthorized):
    """A request without an API key to a service that needs one."""

    code, title = "key_required", "An API key is needed"


class KeyRefused(Unauthorized):
    """An API key that is not valid."""

    code, title = "key_refused", "The API key is not valid"


class UploadTooLarge(MienError):
    """More bytes than the operator allows."""

    code, title = "upload_too_large", "The upload is too large"


class UnsupportedContainer(MienError):
    """The first bytes are none of the containers that are taken."""

    code, title = "unsupported_container", "This is not a video container that is taken"


class BadMedia(MienError):
    """The bytes are no video that can be analysed; the job ends at once."""


class CannotDecode(BadMedia):
    """FFmpeg refuses the file or every frame of it."""

    code, title = "cannot_decode", "The video cannot be decoded"


class NoVideoStream(BadMedia):
    """A container without a moving picture."""

    code, title = "no_video_stream", "The file has no video stream"


class NoFrames(BadMedia):
    """A video stream without a frame in the asked-for time."""

    code, title = "no_frames", "The video has no frames"


class UnsupportedCodec(BadMedia):
    """A codec outside the short list."""

    code, title = "unsupported_codec", "The video's codec is not taken"


class TruncatedVideo(BadMedia):
    """The data ends well before the time that the file's own index gives."""

    code, title = "truncated_video", "The video is cut off"


class TooManyPixels(BadMedia):
    """Frames larger than the operator allows."""

    code, title = "too_many_pixels", "The video's frames are too large"


class TooLong(BadMedia):
    """More seconds or frames than the operator allows."""

    code, title = "too_long", "The video is too long"


class DecodeStalled(BadMedia):
    """The decoder made no progress for too long and was killed."""

    code, title = "decode_stalled", "Decoding stopped making progress"


class DecodeTooCostly(BadMedia):
    """The decoder went over its memory or processor time."""

    code, title = "decode_too_costly", "Decoding needs more than it may use"


class BadFrame(BadMedia):
    """A live frame that is no picture, or not like the first."""

    code, title = "bad_frame", "The live frame cannot be taken"


class Missing(MienError):
    """Nothing is there under this name."""


class NoSuchAnalysis(Missing):
    """An analysis id that is not known."""

    code, title = "not_found", "There is no such analysis"


class NoSuchUpload(Missing):
    """An upload that was not finished, or not begun."""

    code, title = "no_such_upload", "There is no such upload"


class NoSuchPage(Missing):
    """A path that is not served."""

    code, title = "no_such_page", "There is nothing at this address"


class MethodNotAllowed(Missing):
    """A path that is served, but not for this method."""

    code, title = "method_not_allowed", "This address does not take this method"


class Expired(MienError):
    """An analysis that was deleted or whose time to live is over."""

    code, title = "expired", "The analysis is gone"


class NotEnded(MienError):
    """Something that is there only when the analysis has ended."""

    code, title = "not_ended", "The analysis has not ended"


class NotOffered(MienError):
    """Something that this service could do, were it set up so."""

    code, title = "not_offered", "This service does not do that"


class Unavailable(MienError):
    """Nothing is wrong with the request: try again after `retry_after_s` seconds."""

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class QueueFull(Unavailable):
    """No room for another job."""

    code, title = "queue_full", "The service is full"


class QueueUnavailable(Unavailable):
    """Redis does not answer."""

    code, title = "queue_unavailable", "The queue cannot be reached"


class StorageUnavailable(Unavailable):
    """The blob store does not take the upload, or cannot give a result."""

    code, title = "storage_unavailable", "The store cannot be reached"


class KeyInUse(Unavailable):
    """The first request with this idempotency key is still under way."""

    code, title = "idempotency_key_in_use", "The first request with this Idempotency-Key is under way"


class NoWorker(Unavailable):
    """Every worker is busy with other live analyses, or there is none."""

    code, title = "no_worker", "No worker is free for a live analysis"


class SessionLost(Unavailable):
    """The worker of a live analysis is gone."""

    code, title = "session_lost", "The live analysis was cut off"


class TooManyWatchers(Unavailable):
    """As many follow analyses as the operator allows at a time."""

    code, title = "too_many_watchers", "Too many watch analyses at the moment"


class Internal(MienError):
    """The service's own fault."""


class AttemptsExhausted(Internal):
    """Every attempt at the job broke."""

    code, title = "attempts_exhausted", "Every attempt at the analysis broke"


class Unexpected(Internal):
    """A defect of the service."""

    code, title = "internal_error", "Something went wrong in the service"


class Misconfigured(MienError):
    """The process cannot start as it is set up."""

    code, title = "misconfigured", "The process cannot start as it is set up"


class BundleRefused(Misconfigured):
    """A bundle that does not match its manifest, or that clashes with another."""

    code, title = "bundle_refused", "The bundle cannot be served"


def _leaves(root: type[MienError]) -> Iterator[type[MienError]]:
    for child in root.__subclasses__():
        if "code" in child.__dict__:
            yield child
        yield from _leaves(child)


BY_CODE: dict[str, type[MienError]] = {leaf.code: leaf for leaf in _leaves(MienError)}
"""Each code's class, to turn a stored `Problem` back into an error."""


def from_problem(problem: Problem) -> MienError:
    """Return the error that `problem` was made from (`Unexpected` where its code is not known here)."""
    kind = BY_CODE.get(problem.code, Unexpected)
    if issubclass(kind, Unavailable):
        return kind(problem.detail, retry_after_s=1)
    return kind(problem.detail)
