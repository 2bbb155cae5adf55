from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from mien.contract.options import MAX_FACES, AnalyzeOptions


def test_everything_may_be_left_out():
    options = AnalyzeOptions()

    assert (options.faces, options.start_s, options.end_s, options.hop_s, options.tasks) == (8, 0.0, None, None, None)


@pytest.mark.parametrize(
    "options",
    [
        {"faces": 1},
        {"faces": MAX_FACES},
        {"start_s": 0},
        {"start_s": 3, "end_s": 3.001},
        {"hop_s": 0.1},
        {"hop_s": 60},
        {"track": 0},
        {"track": 99},
        {"tasks": ["expression"]},
        {"tasks": ["expression", "dimensions", "personality"]},
    ],
)
def test_values_at_the_edge_of_their_range_are_taken(options):
    taken = AnalyzeOptions.model_validate(options)

    assert AnalyzeOptions.model_validate_json(taken.model_dump_json()) == taken


@pytest.mark.parametrize(
    ("options", "at"),
    [
        ({"faces": 0}, "faces"),
        ({"faces": MAX_FACES + 1}, "faces"),
        ({"faces": 1.5}, "faces"),
        ({"start_s": -0.001}, "start_s"),
        ({"end_s": 0}, "end_s"),
        ({"hop_s": 0.099}, "hop_s"),
        ({"hop_s": 61}, "hop_s"),
        ({"track": -1}, "track"),
        ({"track": 100}, "track"),
        ({"tasks": []}, "tasks"),
        ({"tasks": ["gender"]}, "tasks"),
        ({"tasks": "expression"}, "tasks"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_values_out_of_range_and_unknown_options_are_refused(options, at: str):
    with pytest.raises(ValidationError) as refused:
        AnalyzeOptions.model_validate(options)

    assert refused.value.errors()[0]["loc"][0] == at


@pytest.mark.parametrize("name", ["start_s", "end_s", "hop_s"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "nan", "inf", "-Infinity"])
def test_times_are_numbers(name: str, value: float | str):
    with pytest.raises(ValidationError):
        AnalyzeOptions.model_validate({name: value})


@pytest.mark.parametrize(("start_s", "end_s"), [(2, 1), (2, 2)])
def test_a_part_that_ends_before_it_begins_is_refused(start_s: float, end_s: float):
    with pytest.raises(ValidationError, match="end_s must be greater than start_s"):
        AnalyzeOptions(start_s=start_s, end_s=end_s)
