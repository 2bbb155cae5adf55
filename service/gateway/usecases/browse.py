"""List analyses, newest first, a page at a time."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from mien.contract.errors import InvalidOption
from mien.contract.jobs import State
from mien.contract.results import Page
from service.gateway.usecases.authenticate import Owner
from service.gateway.usecases.lookup import summary
from service.queue.jobs import Jobs

USUAL_LIMIT, MOST_LIMIT = 20, 100

# A filter that few jobs match must not keep Redis busy: then the page is short, and the next one continues.
_MOST_LOOKED_AT = 2000
_AT_ONCE = 100

_PLACE = re.compile(r"\d{1,15}:[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Browse:
    """List analyses. A page continues from a place in the list, so that new and erased analyses shift nothing."""

    jobs: Jobs

    async def __call__(
        self, owner: Owner, limit: int, *, cursor: str | None = None, state: State | None = None
    ) -> Page:
        """Return up to `limit` of the owner's analyses that follow the page which gave `cursor`.

        Only those in `state` if that is given.

        A page may be short and still have `next`; the last page has none.

        Raises:
            InvalidOption: the cursor is not valid, or the limit is out of range.
            QueueUnavailable: the queue does not answer.
        """
        if not 1 <= limit <= MOST_LIMIT:
            raise InvalidOption(f"A page has from 1 to {MOST_LIMIT} analyses.")
        place = None if cursor is None else _place(cursor)
        last = place
        found = Page(analyses=[])
        for _ in range(_MOST_LOOKED_AT // _AT_ONCE):
            count = _AT_ONCE if state is not None else limit + 1
            listed = await self.jobs.page(owner.key_id, place, count)
            for place, job in listed:
                if job is not None and (state is None or job.state is state):
                    if len(found.analyses) == limit:
                        found.next = _cursor(str(last))
                        return found
                    found.analyses.append(summary(job))
                last = place
            if len(listed) < count:
                return found
        found.next = _cursor(str(last))
        return found


def _cursor(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place(cursor: str) -> str:
    try:
        place = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        place = ""
    if not _PLACE.fullmatch(place):
        raise InvalidOption("cursor: this is not valid. Send the last page's `next` unchanged, or leave it out.")
    return place
