"""`mien report`: analyse videos and write one HTML page with charts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.app import cli
from mien.cli.service import DEFAULT_URL, Key, Url

if TYPE_CHECKING:
    from mien.contract.results import Analysis


@cli.command()
def report(  # noqa: PLR0917 - typer calls it by name
    files: Annotated[list[str], typer.Argument(help="Videos, folders, or patterns in quotes.", metavar="VIDEO")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    local: Annotated[bool, typer.Option("--local", help="Analyse in this process, without a server.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    faces: Annotated[int | None, typer.Option(help="Most faces tracked at a time.")] = None,
) -> None:
    """Analyse videos and write one HTML page with charts."""
    from mien.cli.atomic import require_writable
    from mien.cli.batch import BatchItem, analyze_all
    from mien.cli.html import write_report
    from mien.cli.messages import hint
    from mien.cli.options import options_of
    from mien.cli.videos import local_file, named_videos
    from mien.contract.options import AnalyzeOptions

    found = named_videos(files)
    if not out.parent.is_dir():
        raise typer.BadParameter(f"--out: there is no folder {out.parent}")
    if any(out.resolve() == file.resolve() for file in found):
        raise typer.BadParameter("--out would overwrite a video: choose another name")
    require_writable(out, "--out")
    options = options_of(AnalyzeOptions, {"faces": faces})
    done: list[tuple[str, Analysis]] = []

    def finished(job: BatchItem, analysis: Analysis) -> None:
        done.append((str(job.file), analysis))

    with local_file(files[0]) as single:
        jobs = [BatchItem(file, single if [file] == [Path(name) for name in files] else file) for file in found]
        try:
            failed = analyze_all(jobs, options, finished, url=url, key=key, local=local)
        finally:  # after Ctrl-C, what is finished
            if done:
                write_report(out, done)
    if failed:
        raise typer.Exit(1)
    hint(f"open {out} in a browser; mien analyze --csv prints the numbers behind it.")
