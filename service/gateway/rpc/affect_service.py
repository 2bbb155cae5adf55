"""The gRPC API: methods of `affect.v1.AffectService` that translate gRPC to use cases and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

from google.protobuf.message import Message

from mien.contract.api_keys import Scope
from mien.contract.errors import AnswerNotRead, MalformedBody, QueueUnavailable
from mien.contract.events import Began, Ended, FaceWindow
from mien.contract.live_messages import LiveFrame
from mien.contract.results import Progress, Summary
from service.gateway.containers import too_large
from service.gateway.idempotency import parse_idempotency_key
from service.gateway.rpc.call_limits import no_message, source_of_peer
from service.gateway.rpc.calls import Context, call
from service.gateway.rpc.messages import (
    analysis_message,
    analysis_with_faces,
    face_messages,
    live_frame_of,
    live_options_of,
    options_of,
    progress_message,
    state_of,
    window_message,
)
from service.gateway.uploads import video_bytes
from service.gateway.usecases.all import UseCases
from service.gateway.usecases.authenticate import Owner, public_id
from service.gateway.usecases.browse import USUAL_LIMIT
from service.gateway.usecases.job_notifier import Stage
from service.gateway.usecases.watch import WatchedEvent
from service.pb.affect.v1 import affect_pb2 as pb
from service.pb.affect.v1 import affect_pb2_grpc

MOST_CHUNK_BYTES = 256 << 10
"""The largest chunk of a video, as `proto/` says."""

Request = TypeVar("Request", pb.AnalyzeRequest, pb.AnalyzeLiveRequest)


class AffectService(affect_pb2_grpc.AffectServiceServicer):  # type: ignore[misc]  # generated without types
    """Implement the service's methods, which `proto/` documents."""

    def __init__(self, uses: UseCases) -> None:
        self._uses = uses

    async def Analyze(self, requests: AsyncIterator[pb.AnalyzeRequest], context: Context) -> None:  # noqa: N802
        """Accept a video and stream the events of its analysis."""
        async with call("Analyze", context), self._owner(context, Scope.ANALYZE) as owner:
            analysis_id = await self._accept(owner, requests, context)
            job = await self._uses.follow.job(analysis_id)
            findings = await self._uses.follow.findings(job)
            accepted = analysis_message(self._uses.follow.present(job), findings)
            await self._send(context, pb.AnalyzeResponse(accepted=accepted))
            async with aclosing(self._events(analysis_id, "")) as events:
                async for event in events:
                    await self._send(context, pb.AnalyzeResponse(event=event))

    async def GetAnalysis(self, request: pb.GetAnalysisRequest, context: Context) -> pb.GetAnalysisResponse:  # noqa: N802
        """Return an analysis with its faces, without their timelines and paths."""
        async with call("GetAnalysis", context), self._owner(context, Scope.READ) as owner:
            job = await self._uses.follow.job(owner.own(request.id))
            analysis = self._uses.follow.present(job)
            findings = await self._uses.follow.findings(job)
            return pb.GetAnalysisResponse(analysis=await asyncio.to_thread(analysis_with_faces, analysis, findings))

    async def ListAnalyses(self, request: pb.ListAnalysesRequest, context: Context) -> pb.ListAnalysesResponse:  # noqa: N802
        """List analyses in pages."""
        async with call("ListAnalyses", context), self._owner(context, Scope.READ) as owner:
            page = await self._uses.browse(
                owner,
                request.page_size or USUAL_LIMIT,
                cursor=request.page_token or None,
                state=state_of(request.state),
            )
            return pb.ListAnalysesResponse(
                analyses=[analysis_message(summary) for summary in page.analyses], next_page_token=page.next or ""
            )

    async def WatchAnalysis(self, request: pb.WatchAnalysisRequest, context: Context) -> None:  # noqa: N802
        """Stream the events of an analysis."""
        async with (
            call("WatchAnalysis", context),
            self._owner(context, Scope.READ) as owner,
            aclosing(self._events(owner.own(request.id), request.after_event_id)) as events,
        ):
            async for event in events:
                await self._send(context, pb.WatchAnalysisResponse(event=event))

    async def CancelAnalysis(self, request: pb.CancelAnalysisRequest, context: Context) -> pb.CancelAnalysisResponse:  # noqa: N802
        """Cancel and erase an analysis."""
        async with call("CancelAnalysis", context), self._owner(context, Scope.ANALYZE) as owner:
            # Once the job is removed from the queue, its blobs must be deleted even if the call is cancelled.
            await asyncio.shield(self._uses.cancel(owner.own(request.id)))
            return pb.CancelAnalysisResponse()

    async def AnalyzeLive(self, requests: AsyncIterator[pb.AnalyzeLiveRequest], context: Context) -> None:  # noqa: N802
        """Score live frames."""
        async with call("AnalyzeLive", context), self._owner(context, Scope.ANALYZE) as owner:
            first = await self._first(requests, "frame")
            scored = self._uses.live(owner, live_options_of(first.options), _frames(requests))
            async with aclosing(scored):
                async for found in scored:
                    window = window_message(found.window.track, found.window)
                    await self._send(
                        context, pb.AnalyzeLiveResponse(window=window, dropped_frames=found.dropped_frames)
                    )

    @asynccontextmanager
    async def _owner(self, context: Context, scope: Scope) -> AsyncIterator[Owner]:
        """Authenticate the call by its metadata `authorization`, which is used like the HTTP header.

        The block runs as long as the key is valid.
        """
        given = dict(context.invocation_metadata() or ())
        authorization = str(given.get("authorization", ""))
        owner = await self._uses.authenticate(authorization, scope, source_of_peer(context.peer()))
        async with owner.while_valid():
            yield owner

    async def _first(self, requests: AsyncIterator[Request], then: str) -> Request:
        """Return the first message, which must hold the options."""
        idle_s = self._uses.settings.upload_idle_s
        try:
            async with asyncio.timeout(idle_s):
                first = await anext(aiter(requests))
        except StopAsyncIteration as error:
            raise MalformedBody("No message came. The first one must be the options, which may be empty.") from error
        except TimeoutError as error:
            raise no_message(idle_s) from error
        if first.WhichOneof("part") != "options":
            raise MalformedBody(f"The first message must be the options, which may be empty, before any {then}.")
        return first

    async def _send(self, context: Context, message: Message) -> None:
        try:
            async with asyncio.timeout(self._uses.settings.upload_idle_s):
                await context.write(message)
        except TimeoutError as error:
            raise AnswerNotRead("The response was not read in time. Call WatchAnalysis to continue.") from error

    async def _accept(self, owner: Owner, requests: AsyncIterator[pb.AnalyzeRequest], context: Context) -> str:
        settings = self._uses.settings
        first = await self._first(requests, "chunk")
        options = options_of(first.options)
        key = parse_idempotency_key([first.idempotency_key] if first.idempotency_key else [])
        most = settings.upload_max_bytes
        if first.size_bytes > most:
            raise too_large(most)
        video = video_bytes(
            _chunks(requests, context, first.size_bytes),
            "",
            most_bytes=most,
            idle_s=settings.upload_idle_s,
            most_s=settings.upload_max_s,
            containers=settings.containers,
        )
        # Cancelling a call ends its messages and so the upload, which then releases its reservation and its key.
        return await asyncio.shield(
            self._uses.submit(owner, video, options, declared=first.size_bytes or None, key=key)
        )

    async def _events(self, analysis_id: str, after: str) -> AsyncGenerator[pb.Event]:
        """Yield the events of an analysis, then each face, then the end."""
        happening = await self._uses.watch.open(analysis_id, after, Stage.ENDING)
        if happening is None:
            return
        whole = False  # whether every window of the current attempt was sent
        async with aclosing(happening):
            async for event in happening:
                match event.what:
                    case Began():
                        whole = True
                    case Summary():
                        whole = False
                    case Ended():
                        async for last in self._last_events(analysis_id, event, event.what, whole=whole):
                            yield last
                        return
                yield _event_message(event)
        if self._uses.notifier.stage >= Stage.ENDING:
            raise QueueUnavailable("This gateway is shutting down. Watch again from the last event's id.", 1)
        await self._uses.follow.job(analysis_id)  # raises the reason for the missing end: the analysis expired

    async def _last_events(
        self, analysis_id: str, event: WatchedEvent, ended: Ended, *, whole: bool
    ) -> AsyncGenerator[pb.Event]:
        event_id = "" if event.id is None else str(event.id)
        if ended.state == "cancelled":
            gone = pb.Analysis(id=public_id(analysis_id), state=pb.STATE_CANCELLED)
            yield pb.Event(event_id=event_id, ended=gone)
            return
        job = await self._uses.follow.job(analysis_id)
        findings = await self._uses.follow.findings(job)
        if findings is not None:
            async for face in findings.each_face():
                for part in face_messages(face, timeline=not whole):
                    yield pb.Event(face=part)
        yield pb.Event(event_id=event_id, ended=analysis_message(self._uses.follow.present(job), findings))


def _event_message(event: WatchedEvent) -> pb.Event:
    event_id = "" if event.id is None else str(event.id)
    match event.what:
        case Began() as began:
            return pb.Event(event_id=event_id, began=pb.Began(attempt=began.attempt))
        case Progress() as progress:
            return pb.Event(event_id=event_id, progress=progress_message(progress))
        case FaceWindow() as window:
            return pb.Event(event_id=event_id, window=window_message(window.track, window))
        case Summary() as summary:
            return pb.Event(event_id=event_id, snapshot=analysis_message(summary))
        case Ended() as ended:
            raise AssertionError(ended)


async def _frames(requests: AsyncIterator[pb.AnalyzeLiveRequest]) -> AsyncGenerator[LiveFrame]:
    async for request in requests:
        if request.WhichOneof("part") != "frame":
            raise MalformedBody("Only frames may follow the options.")
        yield live_frame_of(request.frame)


async def _chunks(requests: AsyncIterator[pb.AnalyzeRequest], context: Context, declared: int) -> AsyncGenerator[bytes]:
    """Yield the video's bytes as they arrive.

    Raises:
        MalformedBody: a message is not a chunk or too large, or the size differs from the declared one (0: none).
        CancelledError: the call ended before the video was complete.
    """
    size = 0
    async for request in requests:
        if request.WhichOneof("part") != "chunk":
            raise MalformedBody("Only chunks of the video may follow the options.")
        if len(request.chunk) > MOST_CHUNK_BYTES:
            raise MalformedBody(
                f"A chunk has {len(request.chunk):,} bytes. Send chunks of at most {MOST_CHUNK_BYTES:,} bytes."
            )
        size += len(request.chunk)
        if declared and size > declared:
            raise MalformedBody("The video is larger than size_bytes.")
        yield request.chunk
    # Messages also end when the call is aborted; then sending fails.
    try:
        await context.send_initial_metadata(())
    except Exception as error:
        raise asyncio.CancelledError from error
    if declared and size < declared:
        raise MalformedBody("The video is smaller than size_bytes.")
