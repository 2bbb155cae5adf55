import pytest

from mien.client.charts import legend_html, timeline_svg
from mien.client.segments import segments, shares
from mien.contract.results import Expression
from tests.unit.mien.analyses import analysis, face, window


def test_windows_that_overlap_meet_halfway_between_their_centres():
    timeline = [window(0.0), window(0.5), window(1.0), window(5.0)]

    assert [(one.start_s, one.end_s) for one in segments(timeline)] == [(0, 0.75), (0.75, 1.25), (1.25, 2), (5, 6)]


def test_shares_count_each_moment_once():
    seen = face(0, window(0.0), window(0.5, "neutral"), window(1.0, "neutral"))
    assert shares(seen) == pytest.approx({"neutral": 1.25 / 2, "happiness": 0.75 / 2})
    assert list(shares(seen)) == ["neutral", "happiness"]
    assert shares(face(0)) == {}


def test_time_without_a_likely_expression_is_uncertain_as_on_the_page():
    scores = {"happiness": 0.4, "neutral": 0.35, "fear": 0.25}
    unsure = window(1.0).model_copy(update={"expression": Expression(label="happiness", scores=scores)})
    seen = face(0, window(0.0), unsure)

    assert shares(seen) == {"happiness": 0.5, "uncertain": 0.5}
    assert "uncertain" in legend_html([seen])
    assert "1.0–2.0 s: uncertain 40%" in timeline_svg(analysis(seen))
