from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.contract.errors import InvalidOption
from service.gateway.idempotency import parse_idempotency_key

UUID = "8e03978e-40d5-43e8-bc93-6894a57f9324"


def test_a_key_is_the_same_with_and_without_quotation_marks():
    assert parse_idempotency_key([f'"{UUID}"']) == parse_idempotency_key([UUID]) == UUID
    assert parse_idempotency_key([]) is None


def test_escapes_of_a_structured_field_are_decoded():
    assert parse_idempotency_key([r'"a \"b\" \\ c"']) == 'a "b" \\ c'


@pytest.mark.parametrize(
    "headers", [[""], ['""'], [" "], ["a b"], ['"a'], ['a"'], ["a\x7f"], ["clé"], ["x" * 256], ["a", "a"], [r'"a\b"']]
)
def test_what_is_no_key_is_refused(headers: list[str]):
    with pytest.raises(InvalidOption) as refused:
        parse_idempotency_key(headers)
    assert "Idempotency-Key" in refused.value.detail


@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str):
    try:
        key = parse_idempotency_key([text])
    except InvalidOption:
        return
    assert key is not None
    assert 1 <= len(key) <= 255
