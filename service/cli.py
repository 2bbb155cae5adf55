"""The command `mien`. Data goes to stdout, everything else to stderr.

Exit codes: 0 done · 1 at least one video could not be analysed · 2 wrong use, or it cannot start as it is set up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from service.contract.results import Analysis, Face
    from service.standalone.local import Analyze

cli = typer.Typer(
    help="Read what faces in a video show over time.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


def main() -> None:
    """Run the command line."""
    cli()


@cli.command()
def serve() -> None:
    """Serve everything on this machine: a private Redis, the gateway, one worker.

    Settings come from the environment; docs/configuration.md lists them.
    """
    from pydantic import ValidationError

    from service.contract.errors import Misconfigured
    from service.standalone.settings import StandaloneSettings
    from service.standalone.supervisor import serve as serve_until_stopped

    try:
        serve_until_stopped(StandaloneSettings())
    except (Misconfigured, ValidationError) as error:
        typer.echo(f"mien serve: {error}", err=True)
        raise typer.Exit(2) from error


@cli.command()
def analyze(  # noqa: PLR0917 - typer calls it by name
    files: Annotated[list[Path], typer.Argument(help="Videos to analyse.", metavar="FILE...")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON, one a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the windows as CSV, one a line.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Analyse in this process, without a server.")] = False,
    url: Annotated[str, typer.Option(envvar="MIEN_URL", help="The service to ask.")] = "http://127.0.0.1:8000",
    faces: Annotated[int | None, typer.Option(help="Most faces followed at one time.")] = None,
    start: Annotated[float | None, typer.Option(help="Analyse from this second.")] = None,
    end: Annotated[float | None, typer.Option(help="Analyse up to this second.")] = None,
    hop: Annotated[float | None, typer.Option(help="Seconds between the starts of two windows.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this task; can be given again.")] = None,
) -> None:
    """Analyse videos, with the service at --url or right here with --local."""
    from pydantic import ValidationError

    from service.contract.errors import MienError, Misconfigured
    from service.contract.options import AnalyzeOptions

    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    given = {"faces": faces, "start_s": start, "end_s": end, "hop_s": hop, "tasks": task or None}
    try:
        options = AnalyzeOptions.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(
            f"{'.'.join(map(str, first['loc'])) or 'options'}: {first['msg'].removeprefix('Value error, ')}"
        ) from error
    found: list[tuple[Path, Analysis]] = []
    failed = False
    try:
        with _analyzer(url, local=local) as run:
            for file in files:
                try:
                    with _progress(file) as on_progress:
                        found.append((file, run(file, options, on_progress)))
                except (MienError, OSError) as error:
                    failed = True
                    typer.echo(f"{file}: {getattr(error, 'strerror', None) or error}", err=True)
                    continue
                if not as_csv:
                    _print_json(found[-1][1]) if as_json else _print_table(file, found[-1][1])
    except (Misconfigured, ValidationError) as error:
        typer.echo(f"mien analyze: {error}", err=True)
        raise typer.Exit(2) from error
    except MienError as error:
        typer.echo(f"mien analyze: {error}", err=True)
        raise typer.Exit(1) from error
    if as_csv:
        _print_csv(found)
    if failed:
        raise typer.Exit(1)


@contextmanager
def _analyzer(url: str, *, local: bool) -> Iterator[Analyze]:
    if local:
        from service.standalone.local import local_analyzer

        with local_analyzer() as run:
            yield run
    else:
        from service.client import Mien

        with Mien(url) as client:
            yield client.analyze


@contextmanager
def _progress(file: Path) -> Iterator[Callable[[Analysis], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(file.name, total=None, done="uploading")

        def on_progress(analysis: Analysis) -> None:
            done, total = analysis.progress.done_s, analysis.progress.total_s
            text = "queued" if analysis.state == "queued" else f"{done:.1f} s" + (f" of {total:.1f} s" if total else "")
            bar.update(task, completed=done, total=total, done=text)

        yield on_progress


def _print_json(analysis: Analysis) -> None:
    typer.echo(analysis.model_dump_json(exclude_unset=True))


def _print_csv(found: Sequence[tuple[Path, Analysis]]) -> None:
    from service.contract.timeline import timeline_rows, write_csv

    rows = [{"file": str(file), **row} for file, analysis in found for row in timeline_rows(analysis)]
    write_csv(rows, sys.stdout, ("file", "track", "start_s", "end_s"))


def _print_table(file: Path, analysis: Analysis) -> None:
    from rich.console import Console
    from rich.table import Table

    faces = analysis.faces or []
    video = analysis.video
    title = f"{file.name}: {video.duration_s:.1f} s, {video.width}×{video.height}" if video else file.name
    table = Table("", *(f"face {face.track}" for face in faces), title=title, title_justify="left")
    columns = [_describe(face) for face in faces]
    for name in dict.fromkeys(name for column in columns for name in column):
        table.add_row(name, *(column.get(name, "") for column in columns))
    Console().print(table if faces else title)
    for warning in analysis.warnings:
        typer.echo(f"{file.name}: {warning}", err=True)


def _describe(face: Face) -> dict[str, str]:
    lines = {"seen": f"{face.start_s:.1f}–{face.end_s:.1f} s, {face.coverage:.0%} of the video"}
    if face.expression is not None:
        lines["expression"] = f"{face.expression.label} {face.expression.scores[face.expression.label]:.2f}"
        lines["over time"] = _over_time(face)
    for name in ("valence", "arousal", "dominance"):
        if (value := getattr(face, name)) is not None:
            lines[name] = f"{value:+.2f}"
    return lines | {name: f"{value:.2f}" for name, value in (face.personality or {}).items()}


def _over_time(face: Face) -> str:
    """Return the labels of the timeline with the time at which each begins, repetitions left out."""
    parts: list[str] = []
    label = None
    for window in face.timeline:
        if window.expression is not None and window.expression.label != label:
            label = window.expression.label
            parts.append(f"{window.start_s:.1f} s {label}")
    return ", ".join(parts)
