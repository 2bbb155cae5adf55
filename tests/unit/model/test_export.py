"""Warnings of an export."""

from types import SimpleNamespace

import pytest

from model.export import _warnings


@pytest.mark.parametrize(
    ("clips", "held_out", "tested", "warned"),
    [
        (9, 2, False, ["It was fine-tuned on 9 clips.", "Its metrics are of 2 clips"]),
        (9, 2, True, ["It was fine-tuned on 9 clips."]),
        (5000, 29, False, ["Its metrics are of 29 clips"]),
        (500, 30, False, []),
        (None, None, False, []),  # a run of an earlier version
    ],
)
def test_few_clips_to_learn_from_or_to_measure_on_are_warned_of(clips, held_out, tested, warned):
    found = list(_warnings(SimpleNamespace(clips=clips, held_out=held_out), tested=tested))

    assert len(found) == len(warned)
    assert all(sentence.startswith(start) for sentence, start in zip(found, warned, strict=True))
