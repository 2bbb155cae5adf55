import pytest

from mien.contract.errors import InvalidOption
from service.gateway.prefer_header import Preference, parse_prefer


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Preference(respond_async=False, wait_s=None)),
        ("respond-async", Preference(respond_async=True, wait_s=None)),
        ("Respond-Async", Preference(respond_async=True, wait_s=None)),
        ("wait=10", Preference(respond_async=False, wait_s=10)),
        ("wait=0", Preference(respond_async=False, wait_s=0)),
        ("WAIT = 10", Preference(respond_async=False, wait_s=10)),
        ('wait="10"', Preference(respond_async=False, wait_s=10)),
        ("respond-async, wait=10", Preference(respond_async=True, wait_s=10)),
        ("wait=10,respond-async", Preference(respond_async=True, wait_s=10)),
        ("respond-async;foo=bar, wait=10;x", Preference(respond_async=True, wait_s=10)),
        ("return=minimal, handling=lenient", Preference(respond_async=False, wait_s=None)),
        (",, ,respond-async,", Preference(respond_async=True, wait_s=None)),
        ('foo="", respond-async', Preference(respond_async=True, wait_s=None)),
        ("wait=999999999", Preference(respond_async=False, wait_s=999_999_999)),
    ],
)
def test_the_forms_of_rfc_7240_are_understood(header, expected):
    assert parse_prefer(header) == expected


@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "1e3", "٣", "²", "9" * 5000, "0x10", "+1", "1 2"])
def test_a_wait_that_is_no_whole_number_of_seconds_is_refused(value):
    with pytest.raises(InvalidOption, match="whole number"):
        parse_prefer(f"wait={value}")


def test_without_a_preference_the_default_holds():
    assert parse_prefer("").waits(default_s=60, most_s=60) == 60


def test_respond_async_waits_for_nothing():
    assert parse_prefer("respond-async").waits(default_s=60, most_s=60) == 0


def test_a_wait_is_honoured_up_to_the_most_with_and_without_respond_async():
    assert parse_prefer("wait=5").waits(default_s=60, most_s=60) == 5
    assert parse_prefer("respond-async, wait=5").waits(default_s=60, most_s=60) == 5
    assert parse_prefer("wait=500").waits(default_s=60, most_s=60) == 60
    assert parse_prefer("wait=0").waits(default_s=60, most_s=60) == 0
