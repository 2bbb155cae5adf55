"""`mien analyze`: analyse videos, with a service or in this process."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.app import cli

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from mien.contract.options import AnalyzeOptions
    from mien.contract.results import Analysis, Progress
    from service.standalone.local import Analyze

_AT_ONCE = 4  # a service with several workers is kept busy, one with a single worker is not flooded


@cli.command()
def analyze(  # noqa: PLR0917 - typer calls it by name
    files: Annotated[
        list[Path], typer.Argument(help="Videos, folders of them, or patterns in quotes.", metavar="FILE...")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line for each file.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line for each window.")] = False,
    annotate: Annotated[
        Path | None,
        typer.Option(help="Also write the video with boxes and scores drawn on it, to an .mp4 file or into a folder."),
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="Analyse in this process, without a server.")] = False,
    url: Annotated[str, typer.Option(envvar="MIEN_URL", help="Address of the service.")] = "http://127.0.0.1:8000",
    key: Annotated[str | None, typer.Option(envvar="MIEN_KEY", help="The API key, if the service needs one.")] = None,
    faces: Annotated[int | None, typer.Option(help="Most faces tracked at a time.")] = None,
    start: Annotated[float | None, typer.Option(help="Analyse from this second.")] = None,
    end: Annotated[float | None, typer.Option(help="Analyse up to this second.")] = None,
    hop: Annotated[float | None, typer.Option(help="Seconds between the starts of two windows.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Run only this task; can be repeated.")] = None,
) -> None:
    """Analyse videos, with the service at --url or right here with --local."""
    from pydantic import ValidationError

    from mien.cli.options import options_of
    from mien.cli.show import CsvTable, print_json, print_table
    from mien.cli.videos import videos
    from mien.contract.errors import MienError, Misconfigured
    from mien.contract.options import AnalyzeOptions

    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv cannot be combined")
    options = options_of(
        AnalyzeOptions, {"faces": faces, "start_s": start, "end_s": end, "hop_s": hop, "tasks": task or None}
    )
    meant = videos(files)
    if not meant:
        raise typer.BadParameter(f"no video found in {', '.join(map(str, files))}")
    targets = _targets(annotate, meant)
    table = CsvTable()
    show = table.add if as_csv else print_json if as_json else print_table
    try:
        if local:
            from service.standalone.local import local_analyzer

            failed = _analyze_all(meant, targets, options, local_analyzer(), at_once=1, show=show)
        else:
            failed = _analyze_all(meant, targets, options, _remote_analyzer(url, key), at_once=_AT_ONCE, show=show)
    except (Misconfigured, ValidationError) as error:
        typer.echo(f"mien analyze: {error}", err=True)
        raise typer.Exit(2) from error
    except MienError as error:
        typer.echo(f"mien analyze: {error}", err=True)
        raise typer.Exit(1) from error
    if as_csv:
        table.end()
    if failed:
        raise typer.Exit(1)


def _analyze_all(
    files: Sequence[Path],
    targets: dict[Path, Path],
    options: AnalyzeOptions,
    analyzer: AbstractContextManager[Analyze],
    *,
    at_once: int,
    show: Callable[[Path, Analysis], None],
) -> bool:
    """Analyse all files, `at_once` of them at a time, and show each in order; return whether one failed.

    After Ctrl-C what has ended is shown, and what has not is cancelled.
    """
    from mien.contract.errors import MienError

    failed = False
    outcomes: deque[tuple[Path, Future[Analysis]]] = deque()

    def finish(file: Path, outcome: Future[Analysis], target: Path | None) -> None:
        nonlocal failed
        try:
            analysis = outcome.result()
            if target is not None:
                for lacking in _annotate(file, analysis, target):
                    bars.console.print(f"{target}: {lacking}", soft_wrap=True, markup=False, highlight=False)
        except (MienError, OSError) as error:
            failed = True
            said = f"{file}: {getattr(error, 'strerror', None) or error}"
            bars.console.print(said, soft_wrap=True, markup=False, highlight=False)
        else:
            show(file, analysis)

    try:
        # On the way out the bars go first, then the analyzer cancels what still runs, so that its threads end.
        with ThreadPoolExecutor(at_once) as threads, analyzer as run, _bars() as bars:
            outcomes.extend(_submit_all(files, threads, run, options, bars))
            try:
                while outcomes:
                    file, outcome = outcomes[0]
                    wait([outcome])
                    finish(file, outcome, targets.get(file))
                    outcomes.popleft()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
    except KeyboardInterrupt:
        for file, outcome in outcomes:
            if not outcome.cancelled() and not isinstance(outcome.exception(), CancelledError):
                finish(file, outcome, None)  # drawing would take long
        raise
    return failed


def _targets(annotate: Path | None, files: Sequence[Path]) -> dict[Path, Path]:
    """Return where each annotated video goes: into the folder `annotate`, or there itself, if it is one file."""
    if annotate is None:
        return {}
    if annotate.suffix.lower() == ".mp4" and len(files) == 1:
        targets = {files[0]: annotate}
    elif annotate.suffix:
        raise typer.BadParameter("--annotate takes an .mp4 file for one video, or a folder for several")
    else:
        targets = {file: annotate / f"{file.stem}.mp4" for file in files}
    if len(set(targets.values())) < len(files):
        raise typer.BadParameter(
            "--annotate: two of the videos have the same name, so their annotated videos would, too"
        )
    if overwritten := {target.resolve() for target in targets.values()} & {file.resolve() for file in files}:
        raise typer.BadParameter(f"--annotate would overwrite the video {min(overwritten)}: choose another place")
    return targets


def _annotate(file: Path, analysis: Analysis, target: Path) -> list[str]:
    from service.standalone.annotate import annotate

    target.parent.mkdir(parents=True, exist_ok=True)
    return annotate(file, analysis, target)


@contextmanager
def _remote_analyzer(url: str, key: str | None) -> Iterator[Analyze]:
    from mien.client import Mien

    with Mien(url, key=key) as client:
        yield client.analyze


def _submit_all(
    files: Sequence[Path], threads: ThreadPoolExecutor, run: Analyze, options: AnalyzeOptions, bars: Bars
) -> Iterator[tuple[Path, Future[Analysis]]]:
    """Hand all files to the threads; give each with its future, in order."""
    total = bars.add_task("all", total=len(files), done="", visible=len(files) > 1)

    def one(file: Path) -> Analysis:
        bar = bars.add_task(file.name, total=None, done="waiting")

        def on_progress(progress: Progress) -> None:
            of = f" of {progress.total_s:.1f} s" if progress.total_s else ""
            bars.update(bar, completed=progress.done_s, total=progress.total_s, done=f"{progress.done_s:.1f} s{of}")

        try:
            return run(file, options, on_progress)
        finally:
            bars.remove_task(bar)
            bars.advance(total)

    return ((file, threads.submit(one, file)) for file in files)


@contextmanager
def _bars() -> Iterator[Bars]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"), TimeElapsedColumn()
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
        redirect_stdout=sys.stdout.isatty(),  # data for a file or a pipe must not go to the terminal
    ) as bars:
        yield bars
