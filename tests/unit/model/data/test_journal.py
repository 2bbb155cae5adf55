from dataclasses import dataclass

import pytest

from model.data.executors import Processes
from model.data.journal import Journal
from model.errors import ModelError
from tests.unit.model.data.conftest import full_disk


@dataclass(frozen=True)
class Job:
    id: str


def finish(out, names):
    asked = []
    journal = Journal(out, "{}")
    journal.finish([Job(name) for name in names], lambda job: asked.append(job.id) or job.id, Processes(1), _ignore)
    return asked


def _ignore(_done, _all):
    pass


def test_a_full_disk_is_one_sentence_and_what_was_done_is_kept(tmp_path):
    out = tmp_path / "out"
    finish(out, ["a"])

    with (
        full_disk((out / "journal.jsonl").stat().st_size + 5),
        pytest.raises(ModelError, match=r"journal\.jsonl cannot be written: File too large"),
    ):
        finish(out, ["a", "b", "c"])

    with full_disk(0):
        assert Journal(out, "{}").results == {"a": "a"}
    assert finish(out, ["a", "b", "c"]) == ["b", "c"]
    assert Journal(out, "{}").results == {"a": "a", "b": "b", "c": "c"}


def test_a_folder_that_cannot_be_begun_can_be_begun_later(tmp_path):
    with full_disk(1), pytest.raises(ModelError, match="cannot be written: File too large"):
        Journal(tmp_path / "out", "{}")

    assert finish(tmp_path / "out", ["a"]) == ["a"]
