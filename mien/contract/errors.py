"""Every error that a user or an operator can meet, in one tree.

    MienError
    ├── InvalidRequest          the request is wrong: correct it and send it again
    │   ├── InvalidOption · UnknownOption · WrongField · EmptyUpload · MalformedBody · UploadStalled · AnswerNotRead
    │   ├── KeyReused · DigestMismatch · BadTime · FramesStalled
    ├── Refused                 the host or origin is not allowed
    │   ├── HostNotAllowed · CrossSite · ScopeMissing
    ├── Unauthorized            authentication failed
    │   ├── KeyRequired · KeyRefused
    ├── UploadTooLarge
    ├── UnsupportedContainer
    │   └── UnsupportedEncoding
    ├── BadMedia                the video cannot be analysed: final, never retried
    │   ├── CannotDecode · NoVideoStream · NoFrames · UnsupportedCodec · TruncatedVideo
    │   ├── TooManyPixels · TooLong · DecodeStalled · DecodeTooCostly
    │   └── BadFrame
    ├── Missing
    │   ├── NoSuchAnalysis · NoSuchUpload · NoSuchPage · MethodNotAllowed
    ├── Expired
    ├── NotEnded · NotOffered
    ├── Unavailable             temporary: retry after `retry_after_s`
    │   ├── QueueFull · QueueUnavailable · StorageUnavailable · KeyInUse · NoWorker · SessionLost ·
    │       TooManyWatchers · TooManyConnections · QuotaReached · TooManyWrongKeys · Unreachable
    ├── Internal
    │   ├── AttemptsExhausted · Unexpected
    └── Misconfigured           an operator's error: the process does not start
        └── BundleRefused

`code` is stable and for programs, `title` describes the class in one line, and `detail` says what happened
this time and what to do about it. `service.gateway.error_mapping` translates the tree to HTTP and gRPC.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """An error as data: stored with a failed job and sent in responses (RFC 9457 with the extension `code`)."""

    code: str = Field(description="Stable code of the kind of error, for programs.")
    title: str = Field(description="One line that describes the kind of error.")
    detail: str = Field(description="What happened this time, and what to do about it.")


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
    """The request is not valid."""


class InvalidOption(InvalidRequest):
    """An option whose value is not valid."""

    code, title = "invalid_option", "An option's value is not valid"


class UnknownOption(InvalidRequest):
    """A query parameter that is not an option."""

    code, title = "unknown_option", "Unknown option"


class WrongField(InvalidRequest):
    """The form has no file under the name `video`."""

    code, title = "wrong_field", "The form's file must be in the field 'video'"


class EmptyUpload(InvalidRequest):
    """A body or file of zero bytes."""

    code, title = "empty_upload", "The upload is empty"


class MalformedBody(InvalidRequest):
    """A body or message that cannot be parsed."""

    code, title = "malformed_body", "The request body cannot be parsed"


class UploadStalled(InvalidRequest):
    """An upload, or another request, whose bytes or messages stalled or took too long."""

    code, title = "upload_stalled", "The request did not arrive in time"


class KeyReused(InvalidRequest):
    """An idempotency key that was used for another request."""

    code, title = "idempotency_key_reused", "The Idempotency-Key was used for another request"


class DigestMismatch(InvalidRequest):
    """An uploaded video that has another digest than its client says."""

    code, title = "digest_mismatch", "The uploaded video has another digest"


class AnswerNotRead(InvalidRequest):
    """A client that stopped reading the response."""

    code, title = "answer_not_read", "The response was not read in time"


class BadTime(InvalidRequest):
    """A live frame's time stamp that does not follow the one before."""

    code, title = "bad_time", "The live frame's time stamp is not valid"


class FramesStalled(InvalidRequest):
    """A live client that sends no frames."""

    code, title = "frames_stalled", "No live frame came in time"


class Refused(MienError):
    """The host or origin of the request is not allowed."""


class HostNotAllowed(Refused):
    """A host name that is not in the allow-list."""

    code, title = "host_not_allowed", "The host name is not allowed"


class CrossSite(Refused):
    """A change requested by a page of another site (CSRF)."""

    code, title = "cross_site", "The cross-site request is not allowed"


class ScopeMissing(Refused):
    """An API key that is not for this."""

    code, title = "scope_missing", "The API key does not allow this"


class Unauthorized(MienError):
    """The request is not authenticated."""


class KeyRequired(Unauthorized):
    """A request without an API key to a service that needs one."""

    code, title = "key_required", "An API key is required"


class KeyRefused(Unauthorized):
    """An API key that is not valid."""

    code, title = "key_refused", "The API key is not valid"


class UploadTooLarge(MienError):
    """More bytes than the operator allows."""

    code, title = "upload_too_large", "The upload is too large"


class UnsupportedContainer(MienError):
    """The first bytes are not those of a supported container."""

    code, title = "unsupported_container", "The video container is not supported"


class UnsupportedEncoding(UnsupportedContainer):
    """A request body with a content coding, such as gzip."""

    code, title = "unsupported_encoding", "The request's Content-Encoding is not supported"


class BadMedia(MienError):
    """The video cannot be analysed; the job fails at once."""


class CannotDecode(BadMedia):
    """FFmpeg refuses the file or every frame of it."""

    code, title = "cannot_decode", "The video cannot be decoded"


class NoVideoStream(BadMedia):
    """A container without a video stream."""

    code, title = "no_video_stream", "The file has no video stream"


class NoFrames(BadMedia):
    """A video stream without a frame in the requested time range."""

    code, title = "no_frames", "The video has no frames"


class UnsupportedCodec(BadMedia):
    """A codec outside the allow-list."""

    code, title = "unsupported_codec", "The video codec is not supported"


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
    """The decoder exceeded its memory or processor time, or the video has too many pixels in all."""

    code, title = "decode_too_costly", "Decoding exceeded its limit of memory, time or pixels"


class BadFrame(BadMedia):
    """A live frame that is not a picture, or has another size than the first."""

    code, title = "bad_frame", "The live frame is not valid"


class Missing(MienError):
    """Nothing exists under this name."""


class NoSuchAnalysis(Missing):
    """An unknown analysis id."""

    code, title = "not_found", "There is no such analysis"


class NoSuchUpload(Missing):
    """An upload that was not started or not finished."""

    code, title = "no_such_upload", "There is no such upload"


class NoSuchPage(Missing):
    """A path that is not served."""

    code, title = "no_such_page", "Nothing is served at this address"


class MethodNotAllowed(Missing):
    """A path that is served, but not for this method."""

    code, title = "method_not_allowed", "The method is not allowed"


class Expired(MienError):
    """An analysis that was deleted or whose time to live is over."""

    code, title = "expired", "The analysis was deleted or has expired"


class NotEnded(MienError):
    """Something that exists only once the analysis has ended."""

    code, title = "not_ended", "The analysis has not ended"


class NotOffered(MienError):
    """A feature that is not enabled in this service."""

    code, title = "not_offered", "The service does not offer this"


class Unavailable(MienError):
    """Temporary: retry after `retry_after_s` seconds."""

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class QueueFull(Unavailable):
    """No room for another job."""

    code, title = "queue_full", "The queue is full"


class QueueUnavailable(Unavailable):
    """Redis does not answer."""

    code, title = "queue_unavailable", "The queue cannot be reached"


class StorageUnavailable(Unavailable):
    """The blob store cannot take an upload or return a result."""

    code, title = "storage_unavailable", "The object store cannot be reached"


class KeyInUse(Unavailable):
    """The first request with this idempotency key is still in progress."""

    code, title = "idempotency_key_in_use", "A request with this Idempotency-Key is in progress"


class NoWorker(Unavailable):
    """Every worker is busy with other live analyses, or there is none."""

    code, title = "no_worker", "No worker is free for a live analysis"


class SessionLost(Unavailable):
    """The worker of a live analysis stopped."""

    code, title = "session_lost", "The live analysis was interrupted"


class TooManyWatchers(Unavailable):
    """The limit of clients that watch analyses is reached."""

    code, title = "too_many_watchers", "Too many clients are watching analyses"


class TooManyConnections(Unavailable):
    """The limit of connections, or of calls from one address, is reached."""

    code, title = "too_many_connections", "Too many connections"


class Unreachable(Unavailable):
    """No service at the address: the client's own error, which no service sends.

    Attributes:
        reason: why, as a sentence without advice.
    """

    code, title = "unreachable", "The service cannot be reached"

    def __init__(self, detail: str, retry_after_s: int, *, reason: str = "") -> None:
        super().__init__(detail, retry_after_s)
        self.reason = reason or detail


class QuotaReached(Unavailable):
    """An API key that has as much under way, or has had as much video analysed, as it may."""

    code, title = "quota_reached", "The API key has reached its quota"


class TooManyWrongKeys(Unavailable):
    """An address from which too many wrong API keys came."""

    code, title = "too_many_wrong_keys", "Too many wrong API keys"


class Internal(MienError):
    """The service's own fault."""


class AttemptsExhausted(Internal):
    """Every attempt at the job failed."""

    code, title = "attempts_exhausted", "Every attempt at the analysis failed"


class Unexpected(Internal):
    """A defect of the service."""

    code, title = "internal_error", "Internal error"


class Misconfigured(MienError):
    """The process cannot start with its configuration."""

    code, title = "misconfigured", "The configuration is not valid"


class BundleRefused(Misconfigured):
    """A bundle that does not match its manifest, or that clashes with another."""

    code, title = "bundle_refused", "The bundle cannot be served"


def _leaves(root: type[MienError]) -> Iterator[type[MienError]]:
    for child in root.__subclasses__():
        if "code" in child.__dict__:
            yield child
        yield from _leaves(child)


BY_CODE: dict[str, type[MienError]] = {leaf.code: leaf for leaf in _leaves(MienError)}
"""The error class of each code, to turn a stored `Problem` back into an error."""


def from_problem(problem: Problem) -> MienError:
    """Return the error that a problem describes, or `Unexpected` if its code is unknown."""
    kind = BY_CODE.get(problem.code, Unexpected)
    if issubclass(kind, Unavailable):
        return kind(problem.detail, retry_after_s=1)
    return kind(problem.detail)
