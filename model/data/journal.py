"""What makes a stopped `mien-model prepare` go on: a file of what was done, `journal.jsonl`.

Its first line has the settings; each other one has a clip's id and why it cannot be had, or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from model.data.jobs import Job, all_done
from model.errors import ModelError

JOURNAL_FILE = "journal.jsonl"


class Journal:
    """The journal of a prepared folder.

    Args:
        out: the folder; it is made where it is not there.
        settings: in one line; those of a folder that was begun must be the same.

    Attributes:
        reasons: clip → why it cannot be had, or nothing.

    Raises:
        ModelError: the folder has something else in it.
    """

    def __init__(self, out: Path, settings: str) -> None:
        self._path = out / JOURNAL_FILE
        self.reasons: dict[str, str] = {}
        if not self._path.exists():
            if out.exists() and (not out.is_dir() or any(out.iterdir())):
                raise ModelError(f"{out} has something else in it: choose an --out that is empty or not there.")
            out.mkdir(parents=True, exist_ok=True)
            self._path.write_text(settings + "\n", encoding="utf-8")
            return
        begun, *lines = self._path.read_text(encoding="utf-8").split("\n")
        if begun != settings:
            raise ModelError(f"{out} was begun with other settings, {begun}: choose another --out, or remove it.")
        for line in lines[:-1]:
            clip, reason = json.loads(line)
            self.reasons[clip] = reason
        if lines and lines[-1]:  # a line that was cut off
            self._path.write_text("\n".join([begun, *lines[:-1], ""]), encoding="utf-8")

    def look_at(self, jobs: Sequence[Job], workers: int, progress: Callable[[int, int], None]) -> None:
        """Do the jobs that were not done."""
        left = [job for job in jobs if job.id not in self.reasons]
        done = len(jobs) - len(left)
        progress(done, len(jobs))
        with self._path.open("a", encoding="utf-8") as file:
            for job, reason in all_done(left, workers):
                self.reasons[job.id] = reason
                file.write(json.dumps((job.id, reason)) + "\n")
                file.flush()
                done += 1
                progress(done, len(jobs))
