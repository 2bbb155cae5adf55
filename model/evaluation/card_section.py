"""Format evaluation reports for a model card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from model.evaluation.report import METRICS, EvaluationReport, confusion_table, few_clips, group_tables, table


def card_section(reports: Sequence[EvaluationReport]) -> str:
    """Return the Markdown of a model card's section on evaluations, one report after the other."""
    blocks = [block for report in reports for block in _blocks(report)]
    return "\n\n".join([METRICS, *blocks] if blocks else [])


def _blocks(report: EvaluationReport) -> Iterator[str]:
    """Yield a report's title and views, warnings, a table for each task, the confusion matrix, tables by group."""
    parts = " and ".join(f"{part.part} ({part.clips} clips)" for part in report.parts)
    yield f"### {report.data}, part {parts}"
    views = "one view" if report.views == 1 else f"the mean over {report.views} views"
    yield f"The scores are of {views} of each clip."
    yield from report.warnings
    yield from few_clips(report.parts)
    for kind, scores in report.pooled.items():
        yield table(kind, [("", {kind: scores}, report.pooled_intervals)])
    if report.confusion is not None:
        yield confusion_table(report.confusion)
    yield from group_tables(report.groups)
