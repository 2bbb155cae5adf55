"""Record finished clips in `journal.jsonl`, so that a stopped `mien-model prepare` or `render` can resume.

The first line has the settings; each other line has a clip's id and its result.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from model.data.executors import Executor, Work
from model.errors import ModelError
from model.unfinished import unfinished, writing

JOURNAL_FILE = "journal.jsonl"


class Journal:
    """The journal of a prepared folder.

    Args:
        out: the folder; it is created if it is missing.
        settings: in one line; a resumed folder must have the same.

    Attributes:
        results: clip id → its result, a JSON value.

    Raises:
        ModelError: the folder contains something else, was begun with other settings, or cannot be written.
    """

    def __init__(self, out: Path, settings: str) -> None:
        self._path = out / JOURNAL_FILE
        self.results: dict[str, Any] = {}
        if not self._path.exists():
            if out.exists() and (not out.is_dir() or any(out.iterdir())):
                raise ModelError(f"{out} holds other files: choose an --out that is empty or does not exist.")
            with writing(self._path), unfinished(self._path) as path:
                path.write_text(settings + "\n", encoding="utf-8")
            return
        begun, *lines = self._path.read_text(encoding="utf-8").split("\n")
        if begun != settings:
            raise ModelError(f"{out} was begun with other settings, {begun}: choose another --out, or remove it.")
        for line in lines[:-1]:
            clip, result = json.loads(line)
            self.results[clip] = result
        if lines and lines[-1]:  # a line that was cut off
            with writing(self._path):
                os.truncate(self._path, self._path.stat().st_size - len(lines[-1].encode()))

    def finish(
        self, jobs: Sequence[Work], do: Callable[[Work], Any], executor: Executor, progress: Callable[[int, int], None]
    ) -> None:
        """Run the jobs without a result yet; `do` must return JSON values.

        Raises:
            ModelError: the jobs cannot be run, or their results not be written.
        """
        left = [job for job in jobs if job.id not in self.results]
        done = len(jobs) - len(left)
        progress(done, len(jobs))
        for job, result in executor.run(left, do):
            with writing(self._path), self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps((job.id, result)) + "\n")
            self.results[job.id] = result
            done += 1
            progress(done, len(jobs))
