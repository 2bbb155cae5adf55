"""Run `mien-model prepare`: show progress on stderr, then a summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from model.cli.console import clips_bar
from model.cli.executor import executor_of
from model.data.prepare import PROBLEMS_FILE, PrepareReport, PrepareSettings, prepare
from model.errors import ModelError


def columns_of(named: Sequence[str]) -> dict[str, str]:
    """Parse column options such as clip=Video into a mapping from Mien's name to the table's.

    Raises:
        ModelError: an option is not of that form.
    """
    pairs = [option.partition("=") for option in named]
    for option, (ours, _, theirs) in zip(named, pairs, strict=True):
        if not ours or not theirs:
            raise ModelError(f"--column {option}: expected our name = the table's, for example clip=Video.")
    return {ours: theirs for ours, _, theirs in pairs}


def prepare_with_progress(
    dataset: str,
    root: Path,
    out: Path,
    *,
    columns: Mapping[str, str],
    workers: int | None,
    ray: str | None,
    shards: bool,
    limit: int | None,
    margin: float,
    yunet: Path | None,
) -> None:
    """Prepare a dataset with a progress bar and a summary; see `prepare`."""
    settings = PrepareSettings(
        dataset=dataset,
        root=root,
        columns=dict(columns),
        limit=limit,
        shards=shards,
        margin=margin,
        yunet=yunet and yunet.absolute(),
    )
    console = Console(stderr=True)
    with clips_bar(console) as bar:
        task = bar.add_task(f"Preparing {dataset}", total=None)
        packed = bar.add_task("Packing shards", total=None, visible=False)
        report = prepare(
            settings,
            out,
            executor=executor_of(workers, ray, out, (root, settings.yunet)),
            progress=lambda done, everything: bar.update(task, completed=done, total=everything),
            packing=lambda done, everything: bar.update(packed, completed=done, total=everything, visible=True),
        )
    _summarise(report, out, Console(soft_wrap=True), console)


def _summarise(report: PrepareReport, out: Path, to: Console, warn: Console) -> None:
    labels = sorted({label for found in report.labels.values() for label in found})
    table = Table("part", "clips", *labels, title=report.title)
    for part, clips in report.clips.items():
        table.add_row(part, str(clips), *(str(report.labels.get(part, {}).get(label, 0)) for label in labels))
    to.print(table)
    for warning in report.warnings:
        warn.print(f"Warning: {warning}", style="yellow", soft_wrap=True)
    if report.problems:
        warn.print(f"{report.problems} clips were left out; {out / PROBLEMS_FILE} lists the reasons.", soft_wrap=True)
    to.print(f"Licence: {report.licence}{' ' + report.choice if report.choice else ''}")
    to.print(f"{out} is ready.")
