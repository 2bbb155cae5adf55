"""The client for asyncio."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from types import TracebackType

import httpx2

from mien.client.live import Frame, watch_live
from mien.client.patience import Patience
from mien.client.wire import nobody, parsed, sent, told
from mien.contract.errors import MienError, QueueUnavailable, Unavailable, from_problem
from mien.contract.events import Ended, FaceWindow, Happening
from mien.contract.jobs import State
from mien.contract.live import LiveScored
from mien.contract.options import AnalyzeOptions, LiveOptions
from mien.contract.results import Analysis, Page, Progress, Summary
from mien.contract.workers import Models

DEFAULT_URL = "http://127.0.0.1:8000"

Video = Path | str | bytes
"""A file's path, or the bytes of one."""

_TIMEOUT_S = 60
_DELETE_S = 5
_CHUNK = 1 << 18


class AsyncMien:
    """A Mien service at `url`, with an API key where it needs one; close it, or use it in an `async with`.

    What fails for now (a full queue, a lost connection) is tried again for `patience_s` seconds, with the pauses that
    the service asks for; a request that went through but whose answer was lost is not done twice.

    Raises:
        QueueUnavailable: the URL is none.
    """

    def __init__(self, url: str = DEFAULT_URL, *, key: str | None = None, patience_s: float = 60.0) -> None:
        self._key = key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._http = httpx2.AsyncClient(base_url=url, timeout=_TIMEOUT_S, headers=headers)
        except httpx2.InvalidURL as error:
            raise nobody(url) from error
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
    ) -> Analysis:
        """Upload a video and return its analysis when it has ended.

        If the call is cancelled (a timeout, Ctrl-C), the analysis is deleted: nobody else knows its id.

        Args:
            video: the file.
            options: what to ask for.
            on_progress: called with the seconds that are analysed each time that more are.

        Raises:
            MienError: the service's error, of the class that its code names; `QueueUnavailable` where nobody answers.
            OSError: the file cannot be read.
        """
        accepted = await self.submit(video, options)
        try:
            return await self._result(accepted.id, on_progress)
        except asyncio.CancelledError:
            with suppress(MienError, TimeoutError):
                async with asyncio.timeout(_DELETE_S):
                    await self.delete(accepted.id)
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

    async def windows(self, video: Video, options: AnalyzeOptions | None = None) -> AsyncGenerator[FaceWindow]:
        """Upload a video and give each window's scores as soon as they exist, each once.

        Raises:
            MienError, OSError: as for `analyze`.
        """
        accepted = await self.submit(video, options)
        given: set[tuple[int, float]] = set()  # another worker may begin again
        missed = False
        async with aclosing(self.watch(accepted.id)) as events:
            async for what in events:
                match what:
                    case FaceWindow() if (what.track, what.start_s) not in given:
                        given.add((what.track, what.start_s))
                        yield what
                    case Summary():
                        missed = True
                    case Ended(error=problem) if problem is not None:
                        raise from_problem(problem)
        if missed:
            for face in (await self.get(accepted.id)).faces or []:
                for window in face.timeline:
                    if (face.track, window.start_s) not in given:
                        scored = {name: getattr(window, name) for name in window.model_fields_set}
                        yield FaceWindow(track=face.track, **scored)

    def live(self, frames: AsyncIterable[Frame], options: LiveOptions | None = None) -> AsyncGenerator[LiveScored]:
        """Send pictures as they are taken and give each window's scores as soon as they exist.

        Pictures that come faster than they can be taken are dropped, the oldest first. The end of `frames` ends it.

        Args:
            frames: pictures of one size, 1 MiB each at most, with their times.
            options: what to ask for.

        Raises:
            MienError: the service's error, of the class that its code names; `QueueUnavailable` where nobody answers.
        """
        return watch_live(str(self._http.base_url), frames, options or LiveOptions(), self._key)

    async def submit(
        self, video: Video, options: AnalyzeOptions | None = None, *, idempotency_key: str | None = None
    ) -> Analysis:
        """Upload a video and return its analysis as soon as it is accepted.

        Args:
            video: the file.
            options: what to ask for.
            idempotency_key: a name for this request: a repeat with the same one gets the same analysis.

        Raises:
            MienError, OSError: as for `analyze`.
        """
        asked = options or AnalyzeOptions()
        answer = await self._ask(
            "POST",
            "/analyze",
            video=video,
            params=asked.model_dump(mode="json", exclude_defaults=True),
            headers={
                "Content-Type": "application/octet-stream",
                "Prefer": "respond-async",
                "Idempotency-Key": idempotency_key or str(uuid.uuid4()),
            },
        )
        return parsed(answer, Analysis)

    async def watch(self, analysis_id: str) -> AsyncGenerator[Happening]:
        """Give what happens to an analysis from its beginning to its end (see `mien.contract.events`).

        A lost connection is taken up where it broke.

        Raises:
            MienError: as for `get`.
        """
        patience, last = Patience(self._patience_s), ""
        while True:
            problem: Unavailable = QueueUnavailable("The stream of events ended before the analysis did.", 0)
            try:
                headers = {"Last-Event-ID": last} if last else {}
                async with self._http.stream("GET", f"/analyses/{analysis_id}/events", headers=headers) as answer:
                    if answer.status_code == 204:
                        return
                    if answer.is_error:
                        await answer.aread()
                        raise told(answer)
                    async for event in sent(answer.aiter_lines()):
                        last = event.id or last
                        patience.renew()
                        yield event.what
                        if isinstance(event.what, Ended):
                            return
            except httpx2.TransportError:
                problem = nobody(str(self._http.base_url))
            except Unavailable as error:
                problem = error
            await asyncio.sleep(patience.next_pause_s(problem))

    async def get(self, analysis_id: str) -> Analysis:
        """Return an analysis in whatever state it is.

        Raises:
            NoSuchAnalysis: there is none.
            Expired: it is gone.
            MienError: as for `analyze`.
        """
        return parsed(await self._ask("GET", f"/analyses/{analysis_id}"), Analysis)

    async def analyses(self, state: State | None = None) -> AsyncGenerator[Summary]:
        """Give all analyses that can be read, newest first, without what they found out; only those in `state`."""
        params: dict[str, str] = {"limit": "100"} | ({} if state is None else {"state": state.value})
        while True:
            page = parsed(await self._ask("GET", "/analyses", params=params), Page)
            for summary in page.analyses:
                yield summary
            if page.next is None:
                return
            params["cursor"] = page.next

    async def delete(self, analysis_id: str) -> None:
        """Cancel an analysis if it still runs, and erase its video and its result.

        Raises:
            MienError: as for `get`.
        """
        await self._ask("DELETE", f"/analyses/{analysis_id}")

    async def models(self) -> Models:
        """Return what is served, and by how many workers."""
        return parsed(await self._ask("GET", "/models"), Models)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        video: Video | None = None,
        params: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        patience = Patience(self._patience_s)
        sent = dict(headers or {})
        if video is not None:
            # Without its size the service would have to keep room for the largest.
            sent["Content-Length"] = str(await asyncio.to_thread(_size, video))
        while True:
            content = None if video is None else video if isinstance(video, bytes) else _pieces(Path(video))
            try:
                answer = await self._http.request(method, path, content=content, params=params, headers=sent)  # type: ignore[arg-type]
            except httpx2.TransportError as error:
                problem: Unavailable = nobody(str(self._http.base_url))
                if not self._reached:  # more likely a wrong address than a bad moment
                    raise problem from error
            else:
                self._reached = True
                if not answer.is_error:
                    return answer
                failure = told(answer)
                if not isinstance(failure, Unavailable):
                    raise failure
                problem = failure
            await asyncio.sleep(patience.next_pause_s(problem))


def _size(video: Video) -> int:
    return len(video) if isinstance(video, bytes) else Path(video).stat().st_size


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, _CHUNK):
            yield piece
