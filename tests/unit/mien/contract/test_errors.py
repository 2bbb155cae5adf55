from __future__ import annotations

import pytest

import mien
from mien.contract import errors
from mien.contract.errors import BY_CODE, MienError, Misconfigured, Problem, Unavailable, Unexpected, from_problem

# Clients' programs know these: a code may be added, never changed or taken away.
CODES = [
    "answer_not_read",
    "attempts_exhausted",
    "bad_frame",
    "bad_time",
    "bundle_refused",
    "cannot_decode",
    "cross_site",
    "decode_stalled",
    "decode_too_costly",
    "digest_mismatch",
    "empty_upload",
    "expired",
    "frames_stalled",
    "host_not_allowed",
    "idempotency_key_in_use",
    "idempotency_key_reused",
    "internal_error",
    "invalid_option",
    "key_refused",
    "key_required",
    "malformed_body",
    "method_not_allowed",
    "misconfigured",
    "no_frames",
    "no_such_page",
    "no_such_upload",
    "no_video_stream",
    "no_worker",
    "not_ended",
    "not_found",
    "not_offered",
    "queue_full",
    "queue_unavailable",
    "quota_reached",
    "scope_missing",
    "session_lost",
    "storage_unavailable",
    "too_long",
    "too_many_connections",
    "too_many_pixels",
    "too_many_watchers",
    "too_many_wrong_keys",
    "truncated_video",
    "unknown_option",
    "unreachable",
    "unsupported_codec",
    "unsupported_container",
    "unsupported_encoding",
    "upload_stalled",
    "upload_too_large",
    "wrong_field",
]


def _below(root: type[MienError]) -> list[type[MienError]]:
    return [kind for child in root.__subclasses__() for kind in (child, *_below(child))]


def _make(kind: type[MienError]) -> MienError:
    return kind("What happened.", 7) if issubclass(kind, Unavailable) else kind("What happened.")


def test_the_codes_are_the_ones_that_clients_know():
    assert sorted(BY_CODE) == CODES


def test_every_leaf_of_the_tree_has_a_code_of_its_own_and_a_title():
    leaves = [kind for kind in _below(MienError) if not kind.__subclasses__()]

    assert all(kind.code == kind.__dict__["code"] and kind.title for kind in leaves)
    assert len({kind.code for kind in leaves}) == len(leaves)
    assert {BY_CODE[kind.code] for kind in leaves} == set(leaves)


def test_the_drawing_at_the_top_of_the_file_names_every_class():
    drawn = errors.__doc__

    assert [kind.__name__ for kind in _below(MienError) if kind.__name__ not in drawn] == []


def test_every_error_that_a_client_can_meet_is_imported_from_mien():
    met = {kind.__name__: kind for kind in BY_CODE.values() if not issubclass(kind, Misconfigured)}

    assert met.keys() - set(mien.__all__) == set()
    assert {name: getattr(mien, name) for name in met} == met


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=BY_CODE)
def test_a_problem_turns_back_into_its_error(kind: type[MienError]):
    problem = _make(kind).problem()

    again = from_problem(Problem.model_validate_json(problem.model_dump_json()))

    assert type(again) is kind
    assert again.detail == str(again) == "What happened."
    assert again.problem() == problem


@pytest.mark.parametrize("kind", [kind for kind in BY_CODE.values() if issubclass(kind, Unavailable)])
def test_an_error_that_passes_says_when_to_try_again(kind: type[Unavailable]):
    assert _make(kind).retry_after_s == 7
    assert from_problem(_make(kind).problem()).retry_after_s > 0


def test_a_code_of_another_version_turns_into_an_unexpected_error():
    again = from_problem(Problem(code="of_tomorrow", title="New", detail="Something."))

    assert type(again) is Unexpected
    assert again.detail == "Something."
