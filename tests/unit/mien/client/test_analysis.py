import io
import sys
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from mien.client.charts import timeline_svg
from mien.contract.timeline import write_csv
from tests.unit.mien.analyses import analysis, face, window


def test_pandas_has_the_table_of_the_csv():
    found = analysis(face(0, window(0, valence=0.5, quality=1), window(1, "neutral", valence=-0.5)), face(1, window(0)))
    out = io.StringIO()
    write_csv(lambda: found.faces, found.video, out)
    out.seek(0)

    table = found.to_pandas()

    pd.testing.assert_frame_equal(table, pd.read_csv(out)[list(table.columns)], check_dtype=False)
    assert list(table.track) == [0, 0, 1]
    assert list(table.person) == [1, 1, 2]


def test_without_a_face_the_table_is_empty_and_has_its_columns():
    table = analysis().to_pandas()
    assert table.empty
    assert "centre_s" in table.columns


def test_polars_has_it_too(monkeypatch):
    # Polars is in no extra; this stands for it where it is not installed.
    monkeypatch.setitem(sys.modules, "polars", SimpleNamespace(DataFrame=lambda columns, strict: columns))
    table = analysis(face(0, window(0, valence=0.5), window(1))).to_polars()
    assert table["valence"] == [0.5, None]
    assert table["person"] == [1, 1]


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_missing_package_is_an_error_with_a_sentence(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=f"needs {package}: run pip install {package}"):
        getattr(analysis(), f"to_{package}")()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_notebook_shows_a_table_of_the_faces_and_a_chart():
    found = analysis(
        face(0, window(0, valence=0.5), window(1, "neutral", valence=-0.5), valence=0.0),
        face(1, window(0)),
        warnings=["<b>dark</b>"],
    )

    html = found._repr_html_()

    parsed = Tags()
    parsed.feed(html)
    assert parsed.open == []
    assert {"Person 1", "Person 2"} <= set(parsed.texts)
    assert "⚠ <b>dark</b>" in "".join(parsed.texts)
    assert "happiness 50%, neutral 50%" in parsed.texts
    assert "+0.00 ± 0.50, lowest -0.50 at 1.5 s, highest +0.50 at 0.5 s" in parsed.texts
    assert html.count("<svg") >= 1


def test_an_analysis_that_runs_or_failed_is_shown_as_such():
    assert "running" in analysis(state="running", faces=None, video=None)._repr_html_()
    failed = analysis(state="failed", faces=None, error={"code": "too_long", "title": "T", "detail": "Too <long>."})
    assert "Too &lt;long&gt;." in failed._repr_html_()


def test_a_chart_leaves_a_gap_where_the_face_was_away():
    away = face(0, window(0, valence=0.0), window(1, valence=0.1), window(5, valence=0.2), window(6, valence=0.3))
    drawn = ET.fromstring(timeline_svg(analysis(away)))

    paths = [path for path in drawn.findall(".//{*}path") if path.get("fill") == "none"]
    assert [path.get("d").count("L") for path in paths] == [3, 3]
    bars = [(float(bar.get("x")), float(bar.get("width"))) for bar in drawn.findall(".//{*}rect")]
    gaps = [round(after - start - width, 1) for (start, width), (after, _) in pairwise(bars)]
    assert [gap > 1 for gap in gaps] == [False, True, False]


def test_a_window_alone_is_drawn_from_its_start_to_its_end():
    drawn = ET.fromstring(timeline_svg(analysis(face(0, window(0, valence=0.5), window(5, valence=0.5)))))

    paths = [path.get("d") for path in drawn.findall(".//{*}path") if path.get("fill") == "none"]
    ends = [[float(point.split()[0]) for point in path.lstrip("M").split("L")] for path in paths]
    assert [round(xs[-1] - xs[0], 1) > 1 for xs in ends] == [True, True]
