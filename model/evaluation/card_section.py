"""Format evaluation reports for a model card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from model.evaluation.report import EvaluationReport, confusion_table, few_clips, group_tables, table


def card_section(reports: Sequence[EvaluationReport]) -> str:
    """Return the Markdown of a model card's section on evaluations, one report after the other."""
    return "\n\n".join(block for report in reports for block in _blocks(report))


def _blocks(report: EvaluationReport) -> Iterator[str]:
    """Yield a report's title, warnings, a table for each task, the confusion matrix, tables by group."""
    parts = " and ".join(f"{part.part} ({part.clips} clips)" for part in report.parts)
    yield f"### {report.data}, part {parts}"
    yield from report.warnings
    yield from few_clips(report.parts)
    for kind, scores in report.pooled.items():
        yield table(kind, [("", {kind: scores}, report.pooled_intervals)])
    if report.confusion is not None:
        yield confusion_table(report.confusion)
    yield from group_tables(report.groups)
