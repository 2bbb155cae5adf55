"""What is drawn on the pictures of an annotated video."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from mien.contract.results import Window
from service.standalone import overlay
from tests.unit.mien.analyses import analysis, face, window

SCORES = {"happiness": 0.7, "neutral": 0.2, "surprise": 0.1}


def people(width: int, height: int, *, scored: bool = True):
    timeline = [window(0, valence=0.5, arousal=-0.25)] if scored else [Window(start_s=5, end_s=6)]
    side = height // 3
    return [
        face(track, *timeline).model_copy(
            update={"path": [(k, round(width * place), height // 4, side, side) for k in (0.0, 0.9)]}
        )
        for track, place in enumerate((0.05, 0.4))
    ]


@pytest.fixture
def drawn(monkeypatch):
    """Draw at a size of picture; give the lines of each label, and where all parts lie."""

    def draw(width: int, height: int, **more):
        labels, places = [], []
        label, paste = overlay._label, overlay._paste

        def keep_label(lines, size, colour):
            assert size >= 12
            return label(lines, size, colour)

        def keep_place(picture, part, corner):
            places.append((*corner, part.shape[1], part.shape[0]))
            labels.extend(lines for lines in known if np.array_equal(known[lines], part))
            return paste(picture, part, corner)

        known = {}
        monkeypatch.setattr(
            overlay, "_label", lambda lines, size, colour: known.setdefault(lines, keep_label(lines, size, colour))
        )
        monkeypatch.setattr(overlay, "_paste", keep_place)
        picture = np.full((height, width, 3), 128, np.uint8)
        overlay.draw(picture, analysis(*people(width, height, **more)), 0.5)
        return picture, labels, places

    return draw


@pytest.mark.parametrize("size", [(160, 120), (320, 240), (1280, 720), (1080, 1920), (3840, 2160)])
def test_every_person_has_a_number_in_the_picture_that_nothing_covers(drawn, size):
    width, height = size
    _, labels, places = drawn(width, height)

    assert [lines[0][:8] for lines in labels] == ["Person 1", "Person 2"]
    assert all(x >= 0 and x + w <= width and y >= 0 and y + h <= height for x, y, w, h in places)
    for (x, y, w, h), (x2, y2, w2, h2) in combinations(places, 2):
        assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_a_label_tells_the_scores_and_bars_and_a_legend_explain_them(drawn):
    _, labels, places = drawn(1280, 720)

    assert labels[0] == ("Person 1  happiness 90%", "valence +0.50  arousal -0.25")
    assert len(places) == 5  # the legend, two labels, two panels of bars
    assert places[0][:1] + places[0][2:3] == (0, 1280)


def test_a_person_without_scores_has_a_box_and_a_number(drawn):
    picture, labels, _ = drawn(320, 240, scored=False)

    assert labels == [("Person 1",), ("Person 2",)]
    assert np.abs(picture[60:140, 16].astype(int) - 128).max(axis=1).min() > 20


def test_text_is_larger_in_larger_pictures():
    heights = [overlay._legend(("Box: a face.",), 9999, size).shape[0] for size in (12, 68)]
    assert heights[1] > 5 * heights[0]


def test_the_font_has_every_character_of_the_legend():
    font = overlay._font(24)
    blank = bytes(font.getmask("\uffff"))
    assert all(bytes(font.getmask(letter)) != blank for letter in set("".join(overlay._LEGEND.values())) - {" "})


def test_the_legend_explains_what_was_scored_and_nothing_else():
    scored = face(0, expression=window(0).expression, valence=0.5, arousal=-0.25)
    told = overlay._explained(analysis(face(1), scored))

    assert [line.split()[0] for line in told] == ["Box:", "Bars,", "Valence:", "Arousal:"]
    assert overlay._explained(analysis(face(0))) == told[:1]
