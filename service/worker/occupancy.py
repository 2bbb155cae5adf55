"""Admit work to this process: jobs and live sessions side by side, or one job that was tried before alone.

Such a job may have killed its worker, which would also end the work beside it.
"""

from __future__ import annotations

import threading


class Occupancy:
    """Count the work in this process; safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._alone = False
        self._wanted = False

    @property
    def open(self) -> bool:
        """Whether work may begin beside what runs."""
        with self._lock:
            return not (self._alone or self._wanted)

    def enter(self) -> bool:
        """Begin work beside other work; return False if a job runs alone or waits to."""
        with self._lock:
            if self._alone or self._wanted:
                return False
            self._inside += 1
            return True

    def enter_alone(self) -> bool:
        """Begin work alone; return False while other work runs, and admit no more work until that has ended."""
        with self._lock:
            self._wanted = self._inside > 0
            if self._wanted:
                return False
            self._inside, self._alone = 1, True
            return True

    def enter_beside(self) -> bool:
        """Begin work beside other work, instead of waiting to run alone."""
        with self._lock:
            self._wanted = False
            self._inside += 1
            return True

    def give_up(self) -> None:
        """Stop waiting to run alone."""
        with self._lock:
            self._wanted = False

    def leave(self) -> None:
        """End work that has begun."""
        with self._lock:
            self._inside -= 1
            self._alone = False
