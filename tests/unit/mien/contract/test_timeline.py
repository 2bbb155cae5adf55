from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mien.contract.jobs import State
from mien.contract.results import Analysis, Expression, Face, Progress, Video, Window
from mien.contract.timeline import NO_FACE, NO_WINDOW, WHERE, CsvTable, box_at, timeline_rows, write_csv

DICTIONARY = Path(__file__).parents[4] / "docs" / "csv.md"
CALM = Expression(label="calm", scores={"calm": 0.75, "glad": 0.25})


def _analysis(**more) -> Analysis:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    progress = Progress(done_s=0, total_s=None)
    return Analysis(id="a", state=State.SUCCEEDED, created_at=now, progress=progress, warnings=[], **more)


def _face(track: int, *timeline: Window, **more) -> Face:
    return Face(track=track, start_s=0, end_s=1, coverage=1, timeline=list(timeline), **({"path": []} | more))


def test_each_window_of_each_face_is_a_row():
    scored = Window(start_s=0, end_s=1, expression=CALM, valence=0.5, arousal=-0.5, quality=0.875)
    first = _face(0, scored, Window(start_s=1, end_s=2), personality={"openness": 0.6})
    second = _face(1, Window(start_s=0.5, end_s=1.5, dominance=0.0))

    assert timeline_rows(_analysis(faces=[first, second]), "v.mp4") == [
        {
            "file": "v.mp4", "track": 0, "person": 1, "start_s": 0, "centre_s": 0.5, "end_s": 1, "quality": 0.875,
            "expression": "calm", "calm": 0.75, "glad": 0.25, "valence": 0.5, "arousal": -0.5, "openness": 0.6,
        },
        {"file": "v.mp4", "track": 0, "person": 1, "start_s": 1, "centre_s": 1.5, "end_s": 2, "openness": 0.6},
        {"file": "v.mp4", "track": 1, "person": 2, "start_s": 0.5, "centre_s": 1.0, "end_s": 1.5, "dominance": 0.0},
    ]  # fmt: skip


def test_a_row_tells_its_frames_and_the_box_at_its_centre():
    video = Video(duration_s=2, fps=25, width=640, height=360, frames=50)
    path = [(0.0, 10, 20, 30, 40), (1.0, 20, 30, 40, 50), (2.0, 20, 30, 40, 50)]
    timeline = [Window(start_s=0, end_s=1), Window(start_s=0.05, end_s=0.07), Window(start_s=1.36, end_s=2)]

    rows = timeline_rows(_analysis(faces=[_face(0, *timeline, path=path)], video=video))

    assert [(row["first_frame"], row["last_frame"]) for row in rows] == [(0, 24), (2, 2), (34, 49)]
    assert [rows[0][name] for name in WHERE if name.startswith("box")] == [15, 25, 35, 45]


def test_what_has_no_window_has_a_row_that_says_so():
    assert timeline_rows(_analysis(faces=[]), "v.mp4") == [{"file": "v.mp4", "note": NO_FACE}]
    assert timeline_rows(_analysis(faces=[_face(0)])) == [
        {"track": 0, "person": 1, "start_s": 0, "end_s": 1, "note": NO_WINDOW}
    ]
    assert timeline_rows(_analysis()) == []  # it has not ended


@pytest.mark.parametrize(
    ("time_s", "box"),
    [(0.5, (5, 0, 10, 10)), (1.0, (10, 0, 10, 10)), (2.0, None), (3.05, (90, 0, 10, 10)), (3.2, None)],
)
def test_a_box_is_interpolated_while_the_face_is_there(time_s, box):
    assert box_at([(0.0, 0, 0, 10, 10), (1.0, 10, 0, 10, 10), (3.0, 90, 0, 10, 10)], time_s) == box


def _read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_rows_without_scores_wait_for_the_columns_and_unknown_columns_are_returned():
    out = io.StringIO()
    table = CsvTable(out, with_files=True)

    assert table.add(timeline_rows(_analysis(faces=[]), "none.mp4")) == []
    assert out.getvalue() == ""
    assert table.add(timeline_rows(_analysis(faces=[_face(0, Window(start_s=0, end_s=1, valence=0.5))]), "one")) == []
    late = _face(0, Window(start_s=0, end_s=1, valence=0.5, arousal=0.5))
    assert table.add(timeline_rows(_analysis(faces=[late]), "late")) == ["arousal"]
    table.end()

    assert out.getvalue().splitlines()[0] == ",".join(["file", *WHERE, "valence"])
    assert [(row["file"], row["note"], row["valence"]) for row in _read(out.getvalue())] == [
        ("none.mp4", NO_FACE, ""),
        ("one", "", "0.5"),
        ("late", "", "0.5"),
    ]


def test_a_table_without_any_face_has_its_header():
    out = io.StringIO()
    write_csv(list, None, out)
    assert out.getvalue() == f"{','.join(WHERE)}\n{',' * (len(WHERE) - 1)}{NO_FACE}\n"


def test_columns_that_only_a_later_face_has_are_there():
    faces = [_face(0), _face(1, Window(start_s=0, end_s=1, arousal=0.5))]
    out = io.StringIO()
    write_csv(lambda: faces, None, out)
    assert [row["arousal"] for row in csv.DictReader(io.StringIO(out.getvalue()))] == ["", "0.5"]


def test_frames_of_a_part_are_counted_from_the_beginning_of_the_video():
    video = Video(duration_s=6, fps=25, width=9, height=9, frames=50)  # of 4 to 6 s
    windows = [Window(start_s=4, end_s=4.4), Window(start_s=5.6, end_s=6)]
    rows = timeline_rows(_analysis(faces=[_face(0, *windows)], video=video))
    assert [(row["first_frame"], row["last_frame"]) for row in rows] == [(100, 109), (140, 149)]


def test_the_dictionary_describes_the_columns_in_their_order():
    described = re.findall(r"^\| `(\w+)` \|", DICTIONARY.read_text(encoding="utf-8"), re.MULTILINE)
    window = Window(start_s=0, end_s=1, expression=CALM, valence=0, arousal=0, dominance=0, quality=1)
    video = Video(duration_s=1, fps=25, width=9, height=9, frames=25)
    face = _face(0, window, path=[(0.0, 1, 1, 1, 1), (1.0, 1, 1, 1, 1)])
    [row] = timeline_rows(_analysis(faces=[face], video=video), "v.mp4")

    columns = [*WHERE, *(name for name in row if name not in (*WHERE, "file", *CALM.scores))]

    assert described == ["file", *columns]
