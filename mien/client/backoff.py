"""Pauses between retries."""

from __future__ import annotations

import random
import time

from mien.contract.errors import Unavailable

_FIRST_S, _LONGEST_S = 0.5, 15.0


class Backoff:
    """Exponential backoff with jitter, never shorter than `Retry-After`, up to `give_up_s` after the first failure.

    The time before the first failure does not count: an upload may take long before it fails.
    """

    def __init__(self, give_up_s: float) -> None:
        self._give_up_s = give_up_s
        self.reset()

    def reset(self) -> None:
        """Start from the shortest pause, after a success."""
        self._since: float | None = None
        self._pause_s = _FIRST_S

    def next_pause_s(self, problem: Unavailable) -> float:
        """Return the seconds until the next attempt.

        Raises:
            Unavailable: `problem` itself, once `give_up_s` would be exceeded.
        """
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        # Many clients that were refused together must not come back together.
        pause_s = max(problem.retry_after_s, self._pause_s) * random.uniform(1, 1.25)  # noqa: S311 - no secret
        if now + pause_s - self._since > self._give_up_s:
            raise problem
        self._pause_s = min(2 * self._pause_s, _LONGEST_S)
        return pause_s
