"""Choose the models to score and the parts of a prepared dataset to score them on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from model.data.prepared import Prepared, read_prepared
from model.errors import ModelError
from model.evaluation.scoring import OnnxScorer, Scorer, TorchScorer
from model.train import checkpoint
from model.train.holdout import TEST, VALIDATION
from model.train.trained import kept_parts, read_trained


@dataclass(frozen=True)
class Trial:
    """A model and the part it is scored on; `learnt`: the model was trained on that part."""

    scorer: Scorer
    part: str
    learnt: bool = False


def trials_of_runs(
    runs: Sequence[Path], data: Path, parts: Sequence[str], offsets: Mapping[str, float] = MappingProxyType({})
) -> list[Trial]:
    """Return the best model of each run with the parts to score: those named, else the run's own test part.

    Args:
        runs: folders of fine-tuning runs, or checkpoints.
        data: the prepared dataset's folder.
        parts: names of parts; empty for the default.
        offsets: see `read_trained`.

    Raises:
        ModelError: a run, the dataset or a part is not there, or no part is named and there is no default.
    """
    trials = []
    prepared = read_prepared(data)
    for run in runs:
        trained = read_trained(run, offsets)
        scorer = TorchScorer(str(run), trained.model, trained.clip, trained.crop)
        kept = _kept_from(run, data)
        trials += [
            Trial(scorer, part, learnt=bool(kept) and part != VALIDATION and kept != {part})
            for part in _parts(prepared, parts or sorted(kept))
        ]
    return trials


def trials_of_bundle(bundle: Path, data: Path, parts: Sequence[str]) -> list[Trial]:
    """Return a bundle with the parts to score: those named, else the part called test.

    Raises:
        ModelError: the bundle, the dataset or a part is not there, or no part is named and there is no default.
    """
    scorer = OnnxScorer(bundle)
    return [Trial(scorer, part) for part in _parts(read_prepared(data), parts)]


def _kept_from(run: Path, data: Path) -> set[str]:
    """Return the data's parts that the run left out of training; none if it was not trained on this data."""
    state = checkpoint.load(run / checkpoint.BEST if run.is_dir() else run)
    return {part for folder, part in kept_parts(state) if folder.resolve() == data.resolve()}


def _parts(prepared: Prepared, named: Sequence[str]) -> Sequence[str]:
    for part in named or [TEST]:
        if part not in prepared.parts:
            known = ", ".join(prepared.parts)
            raise ModelError(f"{prepared.name} has no part {part!r}: name one of {known} with --part.")
    return named or [TEST]
