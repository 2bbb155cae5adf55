"""Watch an analysis by server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, HTTPException
from fastapi.sse import EventSourceResponse, ServerSentEvent

from mien.contract.errors import KeyRefused, QueueUnavailable
from mien.contract.events import NAMES
from service.gateway.openapi import problems
from service.gateway.rest.parameters import AnalysisId, LastEventId, Reader, Uses
from service.gateway.usecases.watch import WatchedEvent

log = structlog.get_logger()
router = APIRouter()


async def watched(
    analysis_id: AnalysisId, owner: Reader, uses: Uses, last_event_id: LastEventId = ""
) -> AsyncIterator[WatchedEvent]:
    """Return the events of an analysis after the one that the client saw last."""
    events = await uses.watch.open(owner.own(analysis_id), last_event_id)
    if events is None:
        # A browser's EventSource reconnects after every end of the stream until it gets 204.
        raise HTTPException(204)
    return events


@router.get(
    "/analyses/{analysis_id}/events",
    response_class=EventSourceResponse,
    response_description="The events, as `text/event-stream`.",
    responses={
        204: {"description": "No event follows `Last-Event-ID`: it was the last."},
        **problems(400, 401, 403, 404, 410, 429),
    },
    tags=["analyses"],
    summary="Watch an analysis",
)
async def watch_analysis(
    stream: Annotated[AsyncIterator[WatchedEvent], Depends(watched)], owner: Reader
) -> AsyncIterator[ServerSentEvent]:
    """Get the events of an analysis as server-sent events: those so far, then the rest until its end.

    | event | data |
    |---|---|
    | `began` | `attempt`: a worker starts; from the second attempt on, earlier events are void |
    | `progress` | `done_s` of `total_s` seconds of the video are analysed |
    | `window` | the scores of one window of a face: `track`, `start_s`, `end_s`, and as in the result's `timeline` |
    | `snapshot` | earlier events are no longer kept: the current state; the result will have all windows |
    | `ended` | `state`: `succeeded` (read the result), `failed` (with the `error`) or `cancelled` |

    Send the last event's id as `Last-Event-ID` to resume after it. Events are kept until ten minutes after the end.
    """
    try:
        while True:
            async with owner.while_valid():
                event = await anext(stream, None)
            if event is None:
                return
            yield ServerSentEvent(
                event=NAMES[type(event.what)],
                raw_data=event.what.model_dump_json(exclude_unset=True),
                id=None if event.id is None else str(event.id),
            )
    except (KeyRefused, QueueUnavailable) as error:
        # The status is already sent: the client reconnects and gets the error then.
        log.warning("events end", reason=error.detail)
