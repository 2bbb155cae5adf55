"""How long a client tries again."""

from __future__ import annotations

import random
import time

from mien.contract.errors import Unavailable

_FIRST_S, _LONGEST_S = 0.5, 15.0


class Patience:
    """Pauses that double, as long as the server asks for at least, until so many seconds have passed in vain."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self.renew()

    def renew(self) -> None:
        """Begin anew: something went right."""
        self._since = time.monotonic()
        self._pause_s = _FIRST_S

    def next_pause_s(self, problem: Unavailable) -> float:
        """Return the seconds until the next try.

        Raises:
            Unavailable: `problem` itself, where patience would end before.
        """
        # Many clients that were refused together must not come back together.
        pause_s = max(problem.retry_after_s, self._pause_s) * random.uniform(1, 1.25)  # noqa: S311 - no secret
        if time.monotonic() + pause_s - self._since > self._most_s:
            raise problem
        self._pause_s = min(2 * self._pause_s, _LONGEST_S)
        return pause_s
