"""The Python client of the REST door."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import httpx2
from pydantic import ValidationError

from service.contract.errors import MienError, Problem, QueueUnavailable, Unexpected, from_problem
from service.contract.jobs import State
from service.contract.options import AnalyzeOptions
from service.contract.results import Analysis

_LOOK_EVERY_S = 0.3
_TIMEOUT_S = 60


class Mien:
    """A Mien service at `url`; close it, or use it in a `with`.

    Raises:
        QueueUnavailable: the URL is none.
    """

    def __init__(self, url: str) -> None:
        try:
            self._http = httpx2.Client(base_url=url, timeout=_TIMEOUT_S)
        except httpx2.InvalidURL as error:
            raise _nobody(url) from error

    def __enter__(self) -> Mien:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def analyze(
        self, video: Path, options: AnalyzeOptions, on_progress: Callable[[Analysis], None] | None = None
    ) -> Analysis:
        """Upload a video and return its analysis when it has ended.

        Args:
            video: the file.
            options: what to ask for.
            on_progress: called with the analysis each time it has been looked at.

        Raises:
            MienError: the service's error, of the class that its code names; `QueueUnavailable` where nobody answers.
            OSError: the file cannot be read.
        """
        with video.open("rb") as file:
            answer = self._ask(
                "POST",
                "/analyze",
                content=file,
                params=options.model_dump(mode="json", exclude_defaults=True),
                headers={"Content-Type": "application/octet-stream", "Prefer": "respond-async"},
            )
        analysis = _analysis(answer)
        while not analysis.state.terminal:
            if on_progress is not None:
                on_progress(analysis)
            time.sleep(_LOOK_EVERY_S)
            analysis = self.get(analysis.id)
        if analysis.state is State.FAILED and analysis.error is not None:
            raise from_problem(analysis.error)
        return analysis

    def get(self, analysis_id: str) -> Analysis:
        """Return an analysis in whatever state it is.

        Raises:
            MienError: as for `analyze`.
        """
        return _analysis(self._ask("GET", f"/analyses/{analysis_id}"))

    def _ask(self, method: str, path: str, **request: object) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, **request)  # type: ignore[arg-type]
        except httpx2.TransportError as error:
            raise _nobody(str(self._http.base_url)) from error
        if answer.is_error:
            raise _told(answer)
        return answer


def _nobody(url: str) -> QueueUnavailable:
    return QueueUnavailable(
        f"Nobody answers at {url}. Start the service with `mien serve`, name another with --url or MIEN_URL, "
        "or use --local.",
        5,
    )


def _analysis(answer: httpx2.Response) -> Analysis:
    try:
        return Analysis.model_validate_json(answer.content)
    except ValidationError as error:
        raise Unexpected(
            f"What answers at {answer.url} is not Mien. Name the service with --url or MIEN_URL."
        ) from error


def _told(answer: httpx2.Response) -> MienError:
    try:
        return from_problem(Problem.model_validate(json.loads(answer.content)))
    except ValueError:
        return Unexpected(f"The service answered {answer.status_code} without saying why.")
