"""Export the best checkpoint of a fine-tuning run as a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from mien.contract.bundle import Manifest, Training, VariantPrecision
from model.bundle.write import export_bundle
from model.errors import ModelError
from model.evaluation.card_section import card_section
from model.evaluation.report import FEW_SCORED, EvaluationReport, read_report
from model.train.trained import Trained, read_trained
from model.train.validate import CALIBRATED, TEMPERATURE, UNCALIBRATED

FEW_CLIPS = 500
"""Number of training clips below which the bundle has a warning; the smallest published training set has about
1,000."""


def export_run(
    run: Path,
    out: Path,
    *,
    name: str,
    version: str,
    licence: str,
    intended_use: str,
    hop_s: float | None = None,
    reports: Sequence[Path] = (),
    notes: Sequence[Path] = (),
    offsets: Mapping[str, float] = MappingProxyType({}),
    variants: Sequence[VariantPrecision] = (),
    clips: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Write a run's best model as a bundle.

    Args:
        run: the run's folder.
        out: the bundle's.
        name: of the bundle.
        version: of the bundle.
        licence: of the weights.
        intended_use: in a sentence or two.
        hop_s: seconds from one window's start to the next's; half a window by default.
        reports: folders of evaluations; their scores replace the validation scores in the manifest. With several
            reports the dataset's name precedes each score.
        notes: Markdown files that the model card ends with.
        offsets: numbers to add to the logarithms of expressions' probabilities, by label.
        variants: other precisions to write the graph in.
        clips: prepared dataset on whose clips the variants are compared; by default on random patterns.
        progress: called with the name of each step when it begins.

    Raises:
        ModelError: the run has no best checkpoint or does not predict an offset's label, or a value is not allowed in a
            manifest.
        ExportRefused: see `export_bundle`.
        VariantRefused: see `export_bundle`.
    """
    trained = read_trained(run, offsets)
    found = [read_report(report) for report in reports]
    try:
        return export_bundle(
            trained.model,
            out,
            name=name,
            version=version,
            clip=trained.clip,
            crop=trained.crop,
            hop_s=hop_s or round(trained.clip.frames * trained.clip.interval_s / 2, 3),
            training=Training(
                trained=True,
                data=f"{'; '.join(trained.data)}. The scores are of {_scored_clips(found)}.",
                scores=_scores(trained, found) | {f"offset of {label}": value for label, value in offsets.items()},
                warnings=tuple(_warnings(trained, tested=bool(found))),
            ),
            licence=licence,
            intended_use=intended_use,
            notes="\n".join(map(_text, notes)),
            evaluations=card_section(found),
            variants=variants,
            clips=clips,
            progress=progress,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"The bundle's {first['loc'][0]} = {first['input']!r} is not allowed: {first['msg']}."
        ) from error


def _scored_clips(reports: Sequence[EvaluationReport]) -> str:
    parts = (f"the part {' and '.join(part.part for part in report.parts)} of {report.data}" for report in reports)
    return " and ".join(parts) or "clips held out from training"


def _scores(trained: Trained, reports: Sequence[EvaluationReport]) -> dict[str, float]:
    """Return the reports' scores and the run's calibration, or without reports the run's validation scores."""
    if not reports:
        return {metric: value for metric, value in trained.scores.items() if metric != "score"}
    measured = {
        f"{f'{report.data} ' if len(reports) > 1 else ''}{kind} {metric}": value
        for report in reports
        for kind, scores in report.pooled.items()
        for metric, value in scores.items()
    }
    return measured | {
        f"{name} (validation)": trained.scores[name]
        for name in (TEMPERATURE, UNCALIBRATED, CALIBRATED)
        if name in trained.scores
    }


def _warnings(trained: Trained, *, tested: bool) -> Iterator[str]:
    """Yield reasons not to trust a model; none if the run did not record its number of clips.

    Args:
        trained: the model.
        tested: whether its metrics are from an evaluation rather than from the run.
    """
    if trained.clips is not None and trained.clips < FEW_CLIPS:
        yield (
            f"It was fine-tuned on {trained.clips} clips. With fewer than {FEW_CLIPS}, its scores say little about "
            "other people and videos, however sure they look."
        )
    if not tested and trained.held_out is not None and trained.held_out < FEW_SCORED:
        yield f"Its metrics are of {trained.held_out} clips that were held out: too few to tell skill from chance."


def _text(notes: Path) -> str:
    try:
        return notes.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{notes} cannot be read as text: {error}.") from error
