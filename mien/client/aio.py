"""The asyncio client."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from types import TracebackType
from typing import Unpack
from urllib.parse import quote

import httpx2

from mien.client.analysis import Analysis
from mien.client.backoff import Backoff
from mien.client.keys import checked_api_key, checked_idempotency_key
from mien.client.options import AnalyzeKeywords, LiveKeywords, merged
from mien.client.responses import error_of, not_sent, parse_body, server_sent_events, unreachable
from mien.client.video import OpenVideo, Video, changed_while_sent, open_video
from mien.client.websocket import Frame, watch_live
from mien.contract.errors import Expired, KeyReused, MienError, QueueUnavailable, Unavailable, from_problem
from mien.contract.events import AnalysisEvent, Ended, FaceWindow
from mien.contract.jobs import State
from mien.contract.live_messages import LiveScored
from mien.contract.options import AnalyzeOptions, LiveOptions
from mien.contract.results import Page, Progress, Summary
from mien.contract.workers import Models

DEFAULT_URL = "http://127.0.0.1:8000"

_TIMEOUT_S = 60
_DELETE_S = 5
_CHUNK = 1 << 18
_LOST = httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError


class AsyncMien:
    """A Mien service at `url`, with an API key where it needs one; close it, or use it in an `async with`.

    Requests that fail for now (a full queue, a lost connection) are retried for `patience_s` seconds, with the pauses
    that the service asks for. A retried upload is never analysed twice: it has an idempotency key.

    Raises:
        Unreachable: the URL is not valid.
        KeyRefused: the key has a character that no key has.
    """

    def __init__(self, url: str = DEFAULT_URL, *, key: str | None = None, patience_s: float = 60.0) -> None:
        self._key = checked_api_key(key or "")
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            self._http = httpx2.AsyncClient(base_url=url, timeout=_TIMEOUT_S, headers=headers)
        except httpx2.InvalidURL as error:
            raise unreachable(url, error) from error
        self._patience_s = patience_s
        self._reached = False

    async def __aenter__(self) -> AsyncMien:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def analyze(
        self,
        video: Video,
        options: AnalyzeOptions | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        **keywords: Unpack[AnalyzeKeywords],
    ) -> Analysis:
        """Upload a video and return its analysis when it has ended.

        If the call is cancelled (a timeout, Ctrl-C), the analysis is deleted: no one else knows its id.

        Args:
            video: the file.
            options: which part, faces and tasks to analyse.
            on_progress: called with the seconds analysed so far, each time there are more.
            keywords: options by name, as `faces=2`; they go before those in `options`.

        Raises:
            MienError: the service's error, of the class that its code names; `Unreachable` if no service answers.
            MalformedBody: the file changed while it was sent.
            OSError: the file cannot be read.
        """
        accepted = await self.submit(video, options, **keywords)
        async with self._deleted_if_left(accepted.id):
            return await self._result(accepted.id, on_progress)

    @asynccontextmanager
    async def _deleted_if_left(self, analysis_id: str) -> AsyncGenerator[None]:
        """Delete an analysis whose caller leaves before its end."""
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            with suppress(MienError, TimeoutError):
                async with asyncio.timeout(_DELETE_S):
                    await self.delete(analysis_id)
            raise

    async def _result(self, analysis_id: str, on_progress: Callable[[Progress], None] | None) -> Analysis:
        async with aclosing(self.watch(analysis_id)) as events:
            async for event in events:
                if on_progress is not None and isinstance(event, Progress):
                    on_progress(event)
                if isinstance(event, Ended) and event.error is not None:
                    raise from_problem(event.error)
        analysis = await self.get(analysis_id)
        if analysis.state is State.FAILED and analysis.error is not None:
            raise from_problem(analysis.error)
        return analysis

    async def windows(
        self, video: Video, options: AnalyzeOptions | None = None, **keywords: Unpack[AnalyzeKeywords]
    ) -> AsyncGenerator[FaceWindow]:
        """Upload a video and yield each window's scores as soon as they exist, each once.

        If it is left before the end (Ctrl-C, `break`), the analysis is deleted, as in `analyze`.

        Raises:
            MienError, OSError: as for `analyze`.
        """
        accepted = await self.submit(video, options, **keywords)
        given: set[tuple[int, float]] = set()  # another worker may begin again
        incomplete = False
        async with self._deleted_if_left(accepted.id), aclosing(self.watch(accepted.id)) as events:
            async for event in events:
                match event:
                    case FaceWindow() if (event.track, event.start_s) not in given:
                        given.add((event.track, event.start_s))
                        yield event
                    case Summary():
                        incomplete = True
                    case Ended(error=problem) if problem is not None:
                        raise from_problem(problem)
                    case Ended(state="cancelled"):
                        raise Expired("The analysis was deleted while it ran.")
        if incomplete:
            for face in (await self.get(accepted.id)).faces or []:
                for window in face.timeline:
                    if (face.track, window.start_s) not in given:
                        scored = {name: getattr(window, name) for name in window.model_fields_set}
                        yield FaceWindow(track=face.track, **scored)

    def live(
        self, frames: AsyncIterable[Frame], options: LiveOptions | None = None, **keywords: Unpack[LiveKeywords]
    ) -> AsyncGenerator[LiveScored]:
        """Send live frames and yield each window's scores as soon as they exist.

        Frames that come faster than the service takes them are dropped, the oldest first. The end of `frames` ends
        the analysis.

        Args:
            frames: pictures of one size, 1 MiB each at most, with their times.
            options: which faces and tasks to analyse.
            keywords: options by name; they go before those in `options`.

        Raises:
            MienError: the service's error, of the class that its code names; `Unreachable` if no service answers.
        """
        return watch_live(str(self._http.base_url), frames, merged(LiveOptions, options, keywords), self._key)

    async def submit(
        self,
        video: Video,
        options: AnalyzeOptions | None = None,
        *,
        idempotency_key: str | None = None,
        **keywords: Unpack[AnalyzeKeywords],
    ) -> Analysis:
        """Upload a video and return its analysis as soon as it is accepted.

        Args:
            video: the file.
            options: which part, faces and tasks to analyse.
            idempotency_key: an id of your own for this request; a repeat with the same id gets the same analysis.
            keywords: options by name; they go before those in `options`.

        Raises:
            MienError, OSError: as for `analyze`.
        """
        try:
            answer = await self._request(
                "POST",
                "/analyze",
                video=video,
                params=merged(AnalyzeOptions, options, keywords).model_dump(mode="json", exclude_defaults=True),
                headers={
                    "Content-Type": "application/octet-stream",
                    "Prefer": "respond-async",
                    "Idempotency-Key": checked_idempotency_key(idempotency_key or str(uuid.uuid4())),
                },
            )
        except KeyReused as error:
            if idempotency_key:
                raise
            raise changed_while_sent() from error  # only an earlier attempt can have used the key
        return parse_body(answer, Analysis)

    async def watch(self, analysis_id: str) -> AsyncGenerator[AnalysisEvent]:
        """Yield the events of an analysis from its start to its end (see `mien.contract.events`).

        After a lost connection it resumes after the last event; a service that was never reached is not waited for.

        Raises:
            MienError: as for `get`.
        """
        backoff, retried, last = Backoff(self._patience_s), False, ""
        while True:
            problem: Unavailable = QueueUnavailable("The stream of events ended before the analysis did.", 0)
            try:
                headers = {"Last-Event-ID": last} if last else {}
                async with self._http.stream("GET", f"{_path(analysis_id)}/events", headers=headers) as answer:
                    self._reached = True
                    if answer.status_code == 204:
                        return
                    if not answer.is_success:
                        await answer.aread()
                        raise error_of(answer)
                    async for event in server_sent_events(_heard(answer.aiter_lines(), backoff)):
                        last = event.id or last
                        yield event.event
                        if isinstance(event.event, Ended):
                            return
            except httpx2.LocalProtocolError as error:
                raise not_sent() from error
            except httpx2.TransportError as error:
                problem = self._unreachable(error, retried=retried)
            except Unavailable as error:
                problem = error
            await asyncio.sleep(backoff.next_pause_s(problem))
            retried = True

    async def get(self, analysis_id: str) -> Analysis:
        """Return an analysis in its current state.

        Raises:
            NoSuchAnalysis: the id is unknown.
            Expired: the analysis was deleted or has expired.
            MienError: as for `analyze`.
        """
        return parse_body(await self._request("GET", _path(analysis_id)), Analysis)

    async def analyses(self, state: State | None = None) -> AsyncGenerator[Summary]:
        """Yield summaries of all analyses that can be read, newest first; only those in `state` if given."""
        params: dict[str, str] = {"limit": "100"} | ({} if state is None else {"state": state.value})
        while True:
            page = parse_body(await self._request("GET", "/analyses", params=params), Page)
            for summary in page.analyses:
                yield summary
            if page.next is None:
                return
            params["cursor"] = page.next

    async def delete(self, analysis_id: str) -> None:
        """Cancel an analysis if it still runs, and erase its video and result.

        Raises:
            MienError: as for `get`.
        """
        await self._request("DELETE", _path(analysis_id))

    async def models(self) -> Models:
        """Return the models that are served, and the number of workers."""
        return parse_body(await self._request("GET", "/models"), Models)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        video: Video | None = None,
        params: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        with ExitStack() as stack:
            opened = None if video is None else await asyncio.to_thread(stack.enter_context, open_video(video))
            return await self._send(method, path, opened, params, dict(headers or {}))

    async def _send(
        self,
        method: str,
        path: str,
        video: OpenVideo | None,
        params: Mapping[str, object] | None,
        headers: dict[str, str],
    ) -> httpx2.Response:
        backoff, retried = Backoff(self._patience_s), False
        if video is not None:
            # With a size, the service refuses a video for which it has no room before it reads any of it.
            headers["Content-Length"] = str(video.size)
        while True:
            content = None if video is None else _chunks(video)
            try:
                answer = await self._http.request(method, path, content=content, params=params, headers=headers)  # type: ignore[arg-type]
            except httpx2.LocalProtocolError as error:
                raise not_sent() from error
            except httpx2.TransportError as error:
                problem: Unavailable = self._unreachable(error, retried=retried)
            else:
                self._reached = True
                if answer.is_success:
                    return answer
                failure = error_of(answer)
                if retried and method == "DELETE" and isinstance(failure, Expired):
                    return answer  # an earlier attempt erased the analysis, and its response was lost
                if not isinstance(failure, Unavailable):
                    raise failure
                problem = failure
            await asyncio.sleep(backoff.next_pause_s(problem))
            retried = True

    def _unreachable(self, error: httpx2.TransportError, *, retried: bool) -> Unavailable:
        """Return the error after which the request is retried.

        Raises:
            Unreachable: the service was never reached. More likely the address is wrong than that it is out for a
                short time; but any service may lose one connection.
        """
        problem = unreachable(str(self._http.base_url), error)
        if not self._reached and (retried or not isinstance(error, _LOST)):
            raise problem from error
        return problem


def _path(analysis_id: str) -> str:
    return f"/analyses/{quote(analysis_id, safe='')}"


async def _heard(lines: AsyncIterator[str], backoff: Backoff) -> AsyncIterator[str]:
    """Yield the lines of a stream; each is a sign of life, also a comment while an analysis waits in the queue."""
    async for line in lines:
        backoff.reset()
        yield line


async def _chunks(video: OpenVideo) -> AsyncIterator[bytes]:
    """Read a video up to the size that the request declares, whatever is written to the file meanwhile.

    Raises:
        MalformedBody: the file has become shorter.
    """
    await asyncio.to_thread(video.file.seek, video.start)
    left = video.size
    while left:
        chunk = await asyncio.to_thread(video.file.read, min(left, _CHUNK))
        if not chunk:
            raise changed_while_sent()
        left -= len(chunk)
        yield chunk
