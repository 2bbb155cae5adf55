"""`mien list | get | watch | delete`: the analyses that a service keeps."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mien.cli.app import cli
from mien.cli.service import DEFAULT_URL, Key, Url

if TYPE_CHECKING:
    from mien.contract.results import Summary

Id = Annotated[str, typer.Argument(help="The analysis' id, as `mien list` shows it.", metavar="ID")]


@cli.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="Only those queued, running, succeeded or failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most analyses to list, newest first.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line for each analysis.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List the analyses that the service keeps, newest first."""
    from mien.cli.messages import hint
    from mien.client import Mien
    from mien.contract.jobs import State

    if state is not None and state not in list(State):
        raise typer.BadParameter(f"--state: {state} is not one of {', '.join(State)}")
    count = 0
    with Mien(url, key=key) as mien:
        for summary in islice(mien.analyses(None if state is None else State(state)), limit):
            count += 1
            typer.echo(summary.model_dump_json(exclude_unset=True) if as_json else _line(summary))
    if not count:
        typer.echo("There is no analysis.", err=True)
    hint("mien get ID shows one." if count else "mien analyze FILE makes one.")


@cli.command()
def get(
    analysis_id: Id,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line for each window.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show an analysis as it is now."""
    from mien.cli.messages import hint
    from mien.cli.show import CsvOutput, print_json, print_table
    from mien.client import Mien

    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv cannot be combined")
    with Mien(url, key=key) as mien:
        analysis = mien.get(analysis_id)
    name = Path(analysis_id)
    if as_json:
        print_json(name, analysis)
    elif analysis.error is not None:
        _fail(analysis)
    elif analysis.faces is None:
        typer.echo(_line(analysis), err=as_csv)
        hint(f"mien watch {analysis_id} follows it to its end.")
        if as_csv:
            raise typer.Exit(1)
    elif as_csv:
        table = CsvOutput()
        table.add(name, analysis)
        table.end()
    else:
        print_table(name, analysis)
        hint(f"mien get {analysis_id} --csv prints every window; mien delete {analysis_id} erases it.")


@cli.command()
def watch(
    analysis_id: Id,
    as_json: Annotated[bool, typer.Option("--json", help="Print the events as JSON, one a line.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Follow an analysis to its end, window by window.

    Ctrl-C ends the command; the analysis goes on.
    """
    from mien.cli.messages import hint
    from mien.cli.show import event_line, print_window
    from mien.client import Mien
    from mien.contract.events import Began, Ended, FaceWindow
    from mien.contract.jobs import State

    with Mien(url, key=key) as mien:
        for event in mien.watch(analysis_id):
            if as_json:
                typer.echo(event_line(event))
            elif isinstance(event, FaceWindow):
                print_window(event)
            elif isinstance(event, Began) and event.attempt > 1:
                typer.echo("Another worker begins again: what came so far is void.", err=True)
            if isinstance(event, Ended) and event.state == "cancelled":
                typer.echo("The analysis was deleted.", err=True)
                raise typer.Exit(1)
        analysis = mien.get(analysis_id)
    if analysis.state is State.FAILED:
        _fail(analysis)
    hint(f"mien get {analysis_id} shows the result.")


@cli.command()
def delete(
    analysis_ids: Annotated[list[str], typer.Argument(help="Ids, as `mien list` shows them.", metavar="ID")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Cancel analyses, erase their videos and results."""
    from mien.cli.messages import explanation, hint
    from mien.client import Mien
    from mien.contract.errors import Expired, Missing

    failed = False
    with Mien(url, key=key) as mien:
        for analysis_id in analysis_ids:
            try:
                mien.delete(analysis_id)
            except (Missing, Expired) as error:
                failed = True
                typer.echo(f"{analysis_id}: {explanation(error)}", err=True)
    if failed:
        raise typer.Exit(1)
    hint("mien list shows what is left.")


def _line(summary: Summary) -> str:
    progress = summary.progress
    of = "" if progress.total_s is None else f" of {progress.total_s:.1f}"
    parts = [
        summary.id,
        f"{summary.created_at:%Y-%m-%d %H:%M} UTC",
        f"{summary.state:9}",
        f"{progress.done_s:.1f}{of} s",
    ]
    if summary.error is not None:
        parts.append(summary.error.title)
    return "  ".join(parts)


def _fail(summary: Summary) -> NoReturn:
    from mien.cli.messages import explanation
    from mien.contract.errors import from_problem

    if summary.error is not None:
        typer.echo(f"{summary.id}: {explanation(from_problem(summary.error))}", err=True)
    raise typer.Exit(1)
