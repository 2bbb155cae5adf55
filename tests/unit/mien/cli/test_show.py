import json
import os
from datetime import UTC, datetime
from pathlib import Path

from mien.cli.show import print_json, print_table, print_window
from mien.contract.events import FaceWindow
from mien.contract.jobs import State
from mien.contract.results import Analysis, Progress
from tests.unit.mien.analyses import analysis, face, window


def test_a_file_whose_name_is_no_utf8_is_printed_and_can_be_read_back(capsys):
    name = os.fsdecode(b"\xff.mp4")
    now = datetime.now(UTC)
    analysis = Analysis(
        id="a", state=State.QUEUED, created_at=now, progress=Progress(done_s=0, total_s=1), warnings=["é"]
    )

    print_json(Path(name), analysis)

    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["warnings"]) == (name, ["é"])


def test_a_live_window_is_printed_with_its_quality_where_it_is_known(capsys):
    for known in ({"quality": 0.876}, {}):
        print_window(FaceWindow(track=1, start_s=0.5, end_s=1, valence=0.25, **known))

    with_quality, without = (line.split("  ") for line in capsys.readouterr().out.splitlines())
    assert with_quality == [*without, "quality 0.88"]


def test_labels_are_printed_as_the_bundle_has_them(capsys):
    print_table(Path("a.mp4"), analysis(face(0, window(0)), face(1, window(0), personality={"[bold]x": 0.5})))

    assert "[bold]x" in capsys.readouterr().out
