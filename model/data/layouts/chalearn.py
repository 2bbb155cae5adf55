"""Read ChaLearn First Impressions V2: pickled labels, and videos in any folders below the root.

annotation_{training,validation,test}.pkl are pickled by Python 2: a dict trait → {file: score}, scores in [0, 1].
Unpickling can run code, so the unpickler here refuses all classes and functions: only dicts, lists, tuples, sets,
strings and numbers can be loaded.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from model.data.dataset import Problem, PublishedDataset
from model.data.layouts import tables
from model.data.prepared import ClipRow
from model.errors import ModelError

_FILES = {"train": "training", "validation": "validation", "test": "test"}


class PlainUnpickler(pickle.Unpickler):
    """Unpickle plain containers, strings and numbers; refuse anything else before code runs."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """Refuse the name of a class or function."""
        raise pickle.UnpicklingError(f"it names {module}.{name}; expected plain dicts of numbers")


def read_chalearn(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | Problem]:
    """Read ChaLearn First Impressions V2."""
    paths = {path.name: path for path in tables.videos(root)}
    for part in dataset.parts:
        file = root / f"annotation_{_FILES[part]}.pkl"
        traits = _traits(file, [name for task in dataset.tasks if task.kind == "personality" for name in task.traits])
        for clip in sorted(set().union(*traits.values())):
            scores = {trait: scores[clip] for trait, scores in traits.items() if clip in scores}
            for trait, score in scores.items():
                if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
                    raise ModelError(f"{file}: {trait} of {clip} is {score!r}; expected a number from 0 to 1.")
            if clip in paths:
                about = {"id": Path(clip).stem, "media": str(paths[clip]), "part": part}
                yield ClipRow.model_validate({**about, **scores})
            else:
                yield Problem(clip, f"The clip has no video below {root}.")


def _traits(path: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return trait → {file: score}."""
    try:
        found = PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="latin-1").load()
    except OSError as error:
        raise ModelError(f"{path}, a file of the dataset's layout, cannot be read: {error.strerror}.") from error
    except Exception as error:  # broken pickles raise many types
        raise ModelError(f"{path} is not the dataset's pickle of plain dicts: {error}.") from error
    for name in names:
        scores = found.get(name) if isinstance(found, dict) else None
        if not isinstance(scores, dict) or not all(isinstance(key, str) for key in scores):
            raise ModelError(f"{path} has no scores by file for the trait {name!r}.")
    return {name: found[name] for name in names}
