import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RequestInfo, RetryInfo

from mien.contract.errors import (
    BY_CODE,
    MienError,
    Misconfigured,
    Unauthorized,
    Unavailable,
    Unreachable,
    UnsupportedEncoding,
)
from service.gateway.error_mapping import MEDIA_TYPE, grpc_code, grpc_status, http_headers, http_problem, http_status

# Clients build on these: a code's status never changes.
STATUSES = {
    "invalid_option": 400,
    "unknown_option": 400,
    "wrong_field": 400,
    "malformed_body": 400,
    "idempotency_key_reused": 422,
    "idempotency_key_in_use": 409,
    "upload_stalled": 408,
    "answer_not_read": 408,
    "empty_upload": 422,
    "upload_too_large": 413,
    "unsupported_container": 415,
    "unsupported_encoding": 415,
    "cannot_decode": 422,
    "digest_mismatch": 422,
    "no_video_stream": 422,
    "no_frames": 422,
    "unsupported_codec": 422,
    "truncated_video": 422,
    "too_many_pixels": 422,
    "too_long": 422,
    "decode_stalled": 422,
    "decode_too_costly": 422,
    "not_found": 404,
    "no_such_page": 404,
    "method_not_allowed": 405,
    "expired": 410,
    "not_ended": 409,
    "host_not_allowed": 421,
    "cross_site": 403,
    "scope_missing": 403,
    "quota_reached": 429,
    "too_many_wrong_keys": 429,
    "queue_full": 503,
    "queue_unavailable": 503,
    "storage_unavailable": 503,
    "no_worker": 503,
    "no_such_upload": 404,
    "not_offered": 501,
    "key_required": 401,
    "key_refused": 401,
    "too_many_watchers": 503,
    "too_many_connections": 503,
    "session_lost": 503,
    "bad_frame": 422,
    "bad_time": 400,
    "frames_stalled": 408,
    "attempts_exhausted": 500,
    "internal_error": 500,
}


CODES = {
    "digest_mismatch": "FAILED_PRECONDITION",
    "idempotency_key_reused": "FAILED_PRECONDITION",
    "idempotency_key_in_use": "ABORTED",
    "upload_stalled": "DEADLINE_EXCEEDED",
    "answer_not_read": "DEADLINE_EXCEEDED",
    "not_ended": "FAILED_PRECONDITION",
    "host_not_allowed": "PERMISSION_DENIED",
    "cross_site": "PERMISSION_DENIED",
    "scope_missing": "PERMISSION_DENIED",
    "quota_reached": "RESOURCE_EXHAUSTED",
    "too_many_wrong_keys": "RESOURCE_EXHAUSTED",
    "not_found": "NOT_FOUND",
    "no_such_page": "NOT_FOUND",
    "method_not_allowed": "NOT_FOUND",
    "expired": "NOT_FOUND",
    "queue_full": "RESOURCE_EXHAUSTED",
    "too_many_connections": "RESOURCE_EXHAUSTED",
    "queue_unavailable": "UNAVAILABLE",
    "storage_unavailable": "UNAVAILABLE",
    "no_worker": "UNAVAILABLE",
    "no_such_upload": "NOT_FOUND",
    "not_offered": "UNIMPLEMENTED",
    "key_required": "UNAUTHENTICATED",
    "key_refused": "UNAUTHENTICATED",
    "too_many_watchers": "UNAVAILABLE",
    "session_lost": "UNAVAILABLE",
    "frames_stalled": "DEADLINE_EXCEEDED",
    "attempts_exhausted": "INTERNAL",
    "internal_error": "INTERNAL",
}
"""Of gRPC; all others are INVALID_ARGUMENT."""


def of(kind: type[MienError]) -> MienError:
    return kind("Why.", 7) if issubclass(kind, Unavailable) else kind("Why.")


NEVER_SENT = (Misconfigured, Unreachable)


def test_every_error_that_a_client_can_meet_has_its_pinned_status():
    met = {code: http_status(of(kind)) for code, kind in BY_CODE.items() if not issubclass(kind, NEVER_SENT)}
    assert met == STATUSES


@pytest.mark.parametrize("code", STATUSES)
def test_every_error_is_an_rfc_9457_problem(code):
    error = of(BY_CODE[code])
    assert http_problem(error, "request-1") == {
        "type": f"urn:mien:problem:{code}",
        "title": error.title,
        "status": STATUSES[code],
        "detail": "Why.",
        "code": code,
        "request_id": "request-1",
    }
    assert MEDIA_TYPE == "application/problem+json"


def test_a_failed_analysis_is_named_in_its_problem():
    problem = http_problem(of(BY_CODE["cannot_decode"]), "request-1", "01J")
    assert problem["analysis_id"] == "01J"


def test_errors_that_pass_say_when_to_try_again_and_those_of_keys_how_to_send_one():
    for kind in BY_CODE.values():
        expected = {"Retry-After": "7"} if issubclass(kind, Unavailable) else {}
        if issubclass(kind, Unauthorized):
            expected = {"WWW-Authenticate": "Bearer"}
        if kind is UnsupportedEncoding:
            expected = {"Accept-Encoding": "identity"}
        assert http_headers(of(kind)) == expected


def test_titles_are_one_line_for_people():
    for kind in BY_CODE.values():
        assert kind.title[0].isupper()
        assert "\n" not in kind.title
        assert len(kind.title) < 60


@pytest.mark.parametrize("code", STATUSES)
def test_every_error_has_its_pinned_grpc_code_and_details(code):
    error = of(BY_CODE[code])

    status = grpc_status(error, "request-1")

    assert grpc_code(error).name == CODES.get(code, "INVALID_ARGUMENT")
    assert (status.code, status.message) == (grpc_code(error).value[0], "Why.")
    info, request = ErrorInfo(), RequestInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(request)
    assert (info.reason, info.domain, request.request_id) == (code, "mien", "request-1")
    retry = RetryInfo()
    assert [detail.Unpack(retry) for detail in status.details[2:]].count(True) == isinstance(error, Unavailable)
    assert retry.retry_delay.seconds == (7 if isinstance(error, Unavailable) else 0)
