"""Read and write evaluation reports: `report.json`, `report.md` and, for expression, `confusion.png`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pydantic import BaseModel, Field, ValidationError

from mien.contract.bundle import TaskKind
from model.errors import ModelError

REPORT = "report.json"

Scores = dict[TaskKind, dict[str, float]]
"""By the kind of task and the name of the metric."""

Intervals = dict[TaskKind, dict[str, tuple[float, float]]]
"""The lower and upper end of the scores' 95 % intervals, by the same keys; only for scores of few clips."""

METRICS = (
    "UAR is the mean of the labels' recalls, WAR the share of clips that are named correctly, ECE the expected "
    "calibration error (0 is best), MAE the mean absolute error; PCC and CCC are Pearson's and the concordance "
    "correlation (1 is best). The accuracy of personality is 1 − MAE, which a model that always says the mean comes "
    "close to: look at CCC."
)
"""What the names of metrics mean, for readers of a report or a card."""

FEW_SCORED = 30
"""Scores of fewer labelled clips are reported with an interval and a warning."""


class PartScores(BaseModel):
    """The scores of one model on one part of the data."""

    part: str
    model: str
    clips: int
    labelled: dict[TaskKind, int] = Field(
        {}, description="How many of the clips have a label of each kind of task; empty in older reports."
    )
    scores: Scores
    intervals: Intervals = {}


class GroupScores(BaseModel):
    """The scores of the clips of one group of people, over all parts."""

    attribute: str
    value: str
    clips: int
    labelled: dict[TaskKind, int] = Field({}, description="As in `PartScores`.")
    scores: Scores
    intervals: Intervals = {}


class Confusion(BaseModel):
    """A confusion matrix over all parts: labelled expressions (rows), predicted expressions (columns), in clips."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class EvaluationReport(BaseModel):
    """`report.json`."""

    data: str = Field(description="The dataset's name.")
    views: int = Field(description="Views of each clip; a clip's outputs are the mean over its views.")
    warnings: tuple[str, ...] = Field((), description="Reasons why the scores are not comparable with others.")
    parts: tuple[PartScores, ...]
    pooled: Scores = Field(description="Over the clips of all parts together.")
    pooled_intervals: Intervals = {}
    confusion: Confusion | None = None
    groups: tuple[GroupScores, ...] = Field((), description="Where the data says to which groups people belong.")


def read_report(folder: Path) -> EvaluationReport:
    """Read `report.json` of a folder.

    Raises:
        ModelError: it is missing or wrong.
    """
    path = folder / REPORT
    try:
        return EvaluationReport.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(f"{path} is not a report that `mien-model evaluate` wrote: {error}.") from error


def write_report(report: EvaluationReport, folder: Path) -> None:
    """Write the files into the folder, and create it if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(report), encoding="utf-8")
    if report.confusion is not None:
        draw(report.confusion, folder / "confusion.png")


def markdown(report: EvaluationReport) -> str:
    """Format the report as Markdown: a table for each task, a column for each part."""
    columns = [
        *((f"part {part.part}", part.scores, part.intervals) for part in report.parts),
        ("pooled", report.pooled, report.pooled_intervals),
    ]
    models = "\n".join(f"- part {part.part}: {part.clips} clips, {part.model}" for part in report.parts)
    tables = [table(kind, columns) for kind in report.pooled]
    return (
        "\n\n".join(
            [
                f"# Evaluation on {report.data}",
                models,
                f"{report.views} views a clip.",
                METRICS,
                *report.warnings,
                *few_clips(report.parts),
                *tables,
                *group_tables(report.groups),
            ]
        )
        + "\n"
    )


def few_clips(parts: Sequence[PartScores]) -> Iterator[str]:
    """Yield a sentence for each part some of whose scores are of few labelled clips."""
    for part in parts:
        if part.intervals:
            counts = (f"{_labelled(part, kind)} clips with labels of {kind}" for kind in part.intervals)
            yield (
                f"The part {part.part} has {' and '.join(counts)}. Scores of fewer than {FEW_SCORED} are chance as "
                "much as skill: in brackets stand their 95 % intervals, bootstrapped over the clips. Pearson's "
                "correlation of two clips would be 1 or −1 whatever they are: it is left out."
            )


def _labelled(scored: PartScores | GroupScores, kind: TaskKind) -> int:
    return scored.labelled.get(kind, scored.clips)


def group_tables(groups: Sequence[GroupScores]) -> Iterator[str]:
    """Yield a Markdown table of each attribute and task: a row for each metric, a column for each group."""
    for attribute in dict.fromkeys(group.attribute for group in groups):
        alike = [group for group in groups if group.attribute == attribute]
        for kind in dict.fromkeys(kind for group in alike for kind in group.scores):
            yield table(
                kind,
                [
                    (f"{attribute} {group.value} ({_labelled(group, kind)} clips)", group.scores, group.intervals)
                    for group in alike
                    if kind in group.scores
                ],
            )


def confusion_table(confusion: Confusion) -> str:
    """Format a confusion matrix as Markdown: the share of each labelled expression (rows) by prediction (columns)."""
    head = ["labelled, predicted", *confusion.labels, "clips"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for label, counts in zip(confusion.labels, confusion.counts, strict=True):
        shares = [f"{count / sum(counts):.2f}" if sum(counts) else "" for count in counts]
        lines.append([label, *shares, str(sum(counts))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def table(kind: TaskKind, columns: Sequence[tuple[str, Scores, Intervals]]) -> str:
    """Format a task's metrics as Markdown: a row for each metric, a column for each of the named scores."""
    found = [(scores.get(kind, {}), intervals.get(kind, {})) for _, scores, intervals in columns]
    metrics = dict.fromkeys(metric for scores, _ in found for metric in scores)
    rows = [[metric, *(_cell(metric, *each) for each in found)] for metric in metrics]
    head = [kind, *(name for name, _, _ in columns)]
    lines = [head, ["---", *("---:" for _ in columns)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(metric: str, scores: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]) -> str:
    score = f"{scores[metric]:.4f}" if metric in scores else ""
    return score + (" [{:.2f}, {:.2f}]".format(*intervals[metric]) if metric in intervals else "")


def draw(confusion: Confusion, path: Path) -> None:
    """Draw a confusion matrix as PNG: counts, coloured by their share of the row."""
    size = 2.5 + 0.6 * len(confusion.labels)
    figure = Figure(figsize=(size, size), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shares = [[count / max(1, sum(row)) for count in row] for row in confusion.counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(confusion.labels)), confusion.labels, rotation=45, ha="right")
    axes.set_yticks(range(len(confusion.labels)), confusion.labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("labelled")
    for row, counts in enumerate(confusion.counts):
        for column, count in enumerate(counts):
            dark = shares[row][column] > 0.5
            axes.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")
    figure.savefig(path, dpi=120)
