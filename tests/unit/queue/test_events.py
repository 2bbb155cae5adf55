from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.queue.events import EventId


@given(st.integers(0, 10**14), st.integers(0, 10**14))
def test_an_id_is_read_as_it_is_written(fence: int, number: int):
    assert EventId.parse(str(EventId(fence, number))) == EventId(fence, number)


@given(st.text(max_size=20))
def test_no_text_breaks_the_reading_of_ids(text: str):
    with contextlib.suppress(ValueError):
        assert EventId.parse(text) >= EventId(0, 0)


@pytest.mark.parametrize("text", ["", "1", "-", "1-", "-1", "1-2-3", "1-x", "+1-2", "1- 2", "1-²", "9" * 20 + "-0"])
def test_what_is_no_id_is_refused(text: str):
    with pytest.raises(ValueError, match="no event id"):
        EventId.parse(text)


def test_ids_are_ordered_by_attempt_and_then_by_number():
    assert EventId(1, 10) < EventId(2, 0) < EventId(2, 9) < EventId(2, 10)
