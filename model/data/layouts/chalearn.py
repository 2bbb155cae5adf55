"""Read ChaLearn First Impressions V2: pickled labels, and videos in any folders below the root.

annotation_{training,validation,test}.pkl are pickled by Python 2: a dict trait → {file: score}, scores in [0, 1]. They
lie at the root or in any folder below it: train-annotation/, val-annotation/, test-annotation/ in public copies.
Unpickling can run code, so the unpickler here accepts only dicts, lists, tuples, sets, strings, numbers, and NumPy's
numbers of a closed list of types; it builds these itself, and calls nothing that a file names.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from model.data.dataset import ClipProblem, PublishedDataset
from model.data.layouts import tables
from model.data.prepared import ClipRow
from model.errors import ModelError

_FILES = {"train": "training", "validation": "validation", "test": "test"}


_NUMBERS = {"f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q"}
"""NumPy's names of number types that are read, and `struct`'s."""


class _NumberType:
    """A NumPy number's type as a pickle stores it: its name and its byte order."""

    def __init__(self, name: str, *_: object) -> None:
        if name not in _NUMBERS:
            raise pickle.UnpicklingError(f"it holds a NumPy value of the type {name!r}; expected numbers")
        self.format = f"<{_NUMBERS[name]}"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.format = (">" if state[1] == ">" else "<") + self.format[1]


def _number(kind: _NumberType, content: bytes | str) -> float:
    value: float = struct.unpack(kind.format, content.encode("latin-1") if isinstance(content, str) else content)[0]
    return value


def _bytes(text: str, _encoding: str) -> bytes:
    return text.encode("latin-1")


_KNOWN: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _NumberType,
    ("numpy.core.multiarray", "scalar"): _number,
    ("numpy._core.multiarray", "scalar"): _number,
    ("_codecs", "encode"): _bytes,  # how Python 3 writes bytes for Python 2
}
"""The names that a pickle may contain, and the functions that are called in their place."""


class PlainUnpickler(pickle.Unpickler):
    """Unpickle plain containers, strings and numbers; refuse anything else before code runs."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return the function that builds a number, or refuse the name."""
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}; expected plain dicts of numbers")
        return _KNOWN[module, name]


def read_chalearn(root: Path, dataset: PublishedDataset) -> Iterator[ClipRow | ClipProblem]:
    """Read ChaLearn First Impressions V2."""
    paths = {path.name: path for path in tables.videos(root)}
    for part in dataset.parts:
        file = _annotation(root, part)
        traits = _traits(file, [name for task in dataset.tasks for name in task.names])
        for clip in sorted(set().union(*traits.values())):
            scores = {trait: scores[clip] for trait, scores in traits.items() if clip in scores}
            wrong = [
                f"{trait} of {clip} is {score!r}"
                for trait, score in scores.items()
                if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1
            ]
            if wrong:
                yield ClipProblem(clip, f"{file}: {wrong[0]}; expected a number from 0 to 1.")
            elif clip in paths:
                about = {"id": Path(clip).stem, "media": str(paths[clip]), "part": part}
                yield ClipRow.model_validate({**about, **scores})
            else:
                yield ClipProblem(clip, f"The clip has no video below {root}.")


def _annotation(root: Path, part: str) -> Path:
    """Return the labels' file of a part: at the root, else the first below it."""
    name = f"annotation_{_FILES[part]}.pkl"
    return next((path for path in [root / name, *sorted(root.rglob(name))] if path.is_file()), root / name)


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
