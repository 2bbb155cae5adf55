"""`mien analyze`: analyse videos, with a service or in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.app import cli
from mien.cli.service import DEFAULT_URL, Key, Url

if TYPE_CHECKING:
    from mien.cli.batch import BatchItem
    from mien.cli.results import ResultFolder
    from mien.contract.results import Analysis


@cli.command()
def analyze(  # noqa: PLR0917 - typer calls it by name
    files: Annotated[
        list[str],
        typer.Argument(help="Videos, folders, patterns in quotes, or - for standard input.", metavar="FILE"),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line for each file.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one line for each window (docs/csv.md).")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write a JSON file (or with --csv a CSV file) for each video into this folder; go on there."),
    ] = None,
    annotate: Annotated[
        Path | None,
        typer.Option(help="Also write the video with boxes and scores drawn on it, to an .mp4 file or into a folder."),
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="Analyse in this process, without a server.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
    faces: Annotated[int | None, typer.Option(help="Most faces tracked at a time.")] = None,
    start: Annotated[float | None, typer.Option(help="Analyse from this second.")] = None,
    end: Annotated[float | None, typer.Option(help="Analyse up to this second.")] = None,
    hop: Annotated[float | None, typer.Option(help="Seconds between the starts of two windows.")] = None,
    track: Annotated[int | None, typer.Option(help="Analyse this video track of the file, from 0.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Run only this task; can be repeated.")] = None,
) -> None:
    """Analyse videos, with a service or with --local."""
    from mien.cli.batch import BatchItem, analyze_all
    from mien.cli.messages import hint
    from mien.cli.options import options_of
    from mien.cli.results import ResultFolder
    from mien.cli.videos import local_file, named_videos
    from mien.contract.options import AnalyzeOptions

    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv cannot be combined")
    options = options_of(
        AnalyzeOptions,
        {"faces": faces, "start_s": start, "end_s": end, "hop_s": hop, "track": track, "tasks": task or None},
    )
    found = named_videos(files)
    targets = _targets(annotate, list(found))
    results = None if out is None else ResultFolder(out, options, as_csv=as_csv)
    if results is not None:
        found = _missing(found, results, targets)
    if annotate is not None:
        import service.standalone.annotate  # noqa: F401 - a missing package is reported before hours of work
    with local_file(files[0]) as single:
        jobs = [
            BatchItem(file, single if [file] == [Path(name) for name in files] else file, targets.get(file))
            for file in found
        ]
        show, end_of_output = _output(results, found, as_json=as_json, as_csv=as_csv)
        try:
            failed = bool(jobs) and analyze_all(jobs, options, show, url=url, key=key, local=local)
        except KeyboardInterrupt:
            end_of_output()
            raise
        end_of_output()
    if failed:
        raise typer.Exit(1)
    if results is not None:
        tables = f"the files in {out}" if as_csv else "tables, which --csv writes in place of JSON,"
        hint(f"read {tables} from R or pandas: docs/researchers.md shows how.")
    elif not (as_json or as_csv):
        hint(f"mien report {' '.join(files)} --out report.html draws charts; --csv prints every window.")


def _output(
    results: ResultFolder | None, found: Mapping[Path, Path], *, as_json: bool, as_csv: bool
) -> tuple[Callable[[BatchItem, Analysis], None], Callable[[], None]]:
    """Return the function that shows a result, and the one that ends the output."""
    from mien.cli.show import CsvOutput, print_json, print_table

    if results is not None:
        return (lambda job, analysis: results.write(job.file, found[job.file], analysis)), (lambda: None)
    if as_csv:
        table = CsvOutput()
        return (lambda job, analysis: table.add(job.file, analysis)), table.end
    show = print_json if as_json else print_table
    return (lambda job, analysis: show(job.file, analysis)), (lambda: None)


def _missing(found: Mapping[Path, Path], results: ResultFolder, targets: Mapping[Path, Path]) -> dict[Path, Path]:
    """Return the videos that have no result yet, or no annotated video where there is to be one in `targets`."""
    from mien.cli.results import is_newer

    if len({results.result(place) for place in found.values()}) < len(found):
        raise typer.BadParameter(
            "--out: two of the videos have the same name, so their results would, too; name the folder above them"
        )
    missing = {
        file: place
        for file, place in found.items()
        if not results.has(file, place) or (file in targets and not is_newer(targets[file], file))
    }
    if there := len(found) - len(missing):
        typer.echo(f"{there} of {len(found)} videos were analysed before and are left out.", err=True)
    return missing


def _targets(annotate: Path | None, files: Sequence[Path]) -> dict[Path, Path]:
    """Return where each annotated video goes: into the folder `annotate`, or there itself, if it is one file."""
    from mien.cli.atomic import require_writable

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
    for target in targets.values():
        require_writable(target, "--annotate")
    return targets
