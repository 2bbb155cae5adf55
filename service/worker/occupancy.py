"""Who works in this process: jobs and live sessions side by side, or one job alone that was tried before.

Such a job may be what killed its worker, and what runs beside it would die with it.
"""

from __future__ import annotations

import threading


class Occupancy:
    """Let work in and out; safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._alone = False
        self._wanted = False

    @property
    def open(self) -> bool:
        """Whether work may come in beside what is there."""
        with self._lock:
            return not (self._alone or self._wanted)

    def enter(self) -> bool:
        """Come in beside others; False where somebody is alone, or waits to be."""
        with self._lock:
            if self._alone or self._wanted:
                return False
            self._inside += 1
            return True

    def enter_alone(self) -> bool:
        """Come in alone; False while others are there, and until they have left no more come in."""
        with self._lock:
            self._wanted = self._inside > 0
            if self._wanted:
                return False
            self._inside, self._alone = 1, True
            return True

    def give_up(self) -> None:
        """Want to be alone no more."""
        with self._lock:
            self._wanted = False

    def leave(self) -> None:
        """Go out."""
        with self._lock:
            self._inside -= 1
            self._alone = False
