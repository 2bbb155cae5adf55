"""Which model is scored on which part of a prepared dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.data.prepared import Prepared, read_prepared
from model.errors import ModelError
from model.evaluation.scoring import OnnxScorer, Scorer, TorchScorer
from model.train import checkpoint
from model.train.holdout import TEST, VALIDATION
from model.train.trained import read_trained


@dataclass(frozen=True)
class Trial:
    """A model, and the part that it is scored on; `learnt` says that it was trained on this very part."""

    scorer: Scorer
    part: str
    learnt: bool = False


def trials_of_runs(runs: Sequence[Path], data: Path, parts: Sequence[str]) -> list[Trial]:
    """Return what to score: the best model of each run, on the parts named or else on the run's own test part.

    Args:
        runs: folders of fine-tuning runs, or checkpoints.
        data: the prepared dataset's folder.
        parts: those that were asked for.

    Raises:
        ModelError: a run, the dataset or a part is not there, or the part cannot be told.
    """
    trials = []
    prepared = read_prepared(data)
    for run in runs:
        trained = read_trained(run)
        scorer = TorchScorer(str(run), trained.model, trained.clip, trained.crop)
        kept = _kept_from(run, data)
        trials += [
            Trial(scorer, part, learnt=kept is not None and part not in (kept, VALIDATION))
            for part in _parts(prepared, parts or ([kept] if kept else []))
        ]
    return trials


def trials_of_bundle(bundle: Path, data: Path, parts: Sequence[str]) -> list[Trial]:
    """Return what to score: a bundle, on the parts named or else on the part called test.

    Raises:
        ModelError: the bundle, the dataset or a part is not there, or the part cannot be told.
    """
    scorer = OnnxScorer(bundle)
    return [Trial(scorer, part) for part in _parts(read_prepared(data), parts)]


def _kept_from(run: Path, data: Path) -> str | None:
    """Return the part of the data that a run never looked at; None if it did not learn from this data."""
    config = checkpoint.load(run / checkpoint.BEST if run.is_dir() else run)["config"]
    for source in config["data"]:
        if Path(source["folder"]).resolve() == data.resolve():
            return source["test"] or TEST
    return None


def _parts(prepared: Prepared, named: Sequence[str]) -> Sequence[str]:
    for part in named or [TEST]:
        if part not in prepared.parts:
            known = ", ".join(prepared.parts)
            raise ModelError(f"{prepared.name} has no part {part!r}: name one of {known} with --part.")
    return named or [TEST]
