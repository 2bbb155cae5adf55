"""Analyse several videos, some of them at a time, with a service or in this process."""

from __future__ import annotations

import errno
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mien.cli.atomic import unfinished
from mien.cli.messages import explanation
from mien.cli.progress import Bars
from mien.contract.errors import EmptyUpload, MienError
from mien.contract.options import AnalyzeOptions
from mien.contract.results import Analysis

if TYPE_CHECKING:
    from service.standalone.local import Analyze

_AT_ONCE = 4  # a service with several workers is kept busy, one with a single worker is not flooded


@dataclass(frozen=True)
class BatchItem:
    """One video to analyse.

    Attributes:
        file: the video, as it was named.
        path: where its bytes are.
        annotated: the annotated video to write, if any.
    """

    file: Path
    path: Path
    annotated: Path | None = None


def analyze_all(
    jobs: Sequence[BatchItem],
    options: AnalyzeOptions,
    finished: Callable[[BatchItem, Analysis], None],
    *,
    url: str,
    key: str | None,
    local: bool,
) -> bool:
    """Analyse all videos and pass on each result in order; return whether one failed.

    After Ctrl-C what has ended is passed on, and what has not is cancelled.
    """
    failed = False
    outcomes: deque[tuple[BatchItem, Future[Analysis]]] = deque()
    bars = Bars(len(jobs))
    at_once = 1 if local else _AT_ONCE

    def fail(place: Path, error: MienError | OSError) -> None:
        nonlocal failed
        failed = True
        said = explanation(error, local=True) if isinstance(error, MienError) else error.strerror or str(error)
        with bars.aside():
            typer.echo(f"{place}: {said}", err=True)

    def finish(job: BatchItem, outcome: Future[Analysis], *, annotated: Path | None) -> None:
        try:
            analysis = outcome.result()
        except (MienError, OSError) as error:
            fail(job.file, error)
            return
        lacking: list[str] = []
        if annotated is not None:
            try:
                lacking = _annotate(job.path, analysis, annotated)
            except (MienError, OSError) as error:
                fail(annotated, error)
        with bars.aside():
            for sentence in lacking:
                typer.echo(f"{annotated}: {sentence}", err=True)
        try:
            with bars.aside():
                finished(job, analysis)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:  # others, as a full disk, concern the videos to come, too
                raise
            fail(job.file, error)

    try:
        # On the way out the bars go first, then the analyzer cancels what still runs, so that its threads end.
        analyzer = _local_analyzer() if local else _remote_analyzer(url, key)
        with ThreadPoolExecutor(at_once) as threads, analyzer as run, bars:
            outcomes.extend((job, threads.submit(_analyze, job, options, run, bars)) for job in jobs)
            try:
                while outcomes:
                    job, outcome = outcomes[0]
                    wait([outcome])
                    finish(job, outcome, annotated=job.annotated)
                    outcomes.popleft()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
    except KeyboardInterrupt:
        for job, outcome in outcomes:
            if not outcome.cancelled() and not isinstance(outcome.exception(), CancelledError):
                finish(job, outcome, annotated=None)  # drawing would take long
        raise
    return failed


def _analyze(job: BatchItem, options: AnalyzeOptions, run: Analyze, bars: Bars) -> Analysis:
    with bars.video(job.file.name) as on_progress:
        if job.path.is_file() and job.path.stat().st_size == 0:
            raise EmptyUpload("The file is empty. Copy or record the video again.")
        return run(job.path, options, on_progress)


def _annotate(video: Path, analysis: Analysis, target: Path) -> list[str]:
    from service.standalone.annotate import annotate

    target.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(target) as path:
        return annotate(video, analysis, path)


@contextmanager
def _remote_analyzer(url: str, key: str | None) -> Iterator[Analyze]:
    from mien.client import Mien

    with Mien(url, key=key) as client:
        yield client.analyze


def _local_analyzer() -> AbstractContextManager[Analyze]:
    from service.standalone.local import local_analyzer

    return local_analyzer()
