import json
import os
from datetime import UTC, datetime
from pathlib import Path

from service.cli.show import print_json
from service.contract.jobs import State
from service.contract.results import Analysis, Progress


def test_a_file_whose_name_is_no_utf8_is_printed_and_can_be_read_back(capsys):
    name = os.fsdecode(b"\xff.mp4")
    now = datetime.now(UTC)
    analysis = Analysis(
        id="a", state=State.QUEUED, created_at=now, progress=Progress(done_s=0, total_s=1), warnings=["é"]
    )

    print_json(Path(name), analysis)

    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["warnings"]) == (name, ["é"])
