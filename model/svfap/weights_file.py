"""Load the weights of a `.pth` file, a pickle, without running code in it."""

from __future__ import annotations

import argparse
import pathlib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.errors import ModelError

_WRAPPERS = ("model", "module", "state_dict", "model_state_dict", "model_ema")
"""Keys that a state dict lies under, the first that is there: the authors' code writes `model`, DeepSpeed `module`."""
_PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DistributedDataParallel, torch.compile and Lightning put before every name."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Load a checkpoint's weights; code that is pickled in it is never run.

    Returns:
        The parameters by name, in float32; what training frameworks wrap around them and put before all names is left
        out.

    Raises:
        ModelError: the file is no PyTorch checkpoint, contains more than weights and settings, or has no weights.
    """
    try:
        with torch.serialization.safe_globals(_SETTINGS):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    except pickle.UnpicklingError as error:
        what = re.search(r"(?:global|GLOBAL) ([\w.]+)", str(error))
        held = f"it holds {what[1]}" if what else "it is no file of PyTorch's"
        raise ModelError(
            f"{path} was not loaded: {held}. A checkpoint is a pickled dict of weights. If you trust this file, keep "
            f'its weights alone: torch.save(torch.load("{path.name}", weights_only=False)["model"], "weights.pth").'
        ) from error
    except Exception as error:  # damaged files raise many types
        raise ModelError(f"{path} is no checkpoint of PyTorch's, or a damaged one.") from error
    while key := _wrapper(found):
        found = found[key]
    weights = {str(k): v.float() for k, v in found.items() if isinstance(v, Tensor)} if isinstance(found, dict) else {}
    if not weights:
        keys = ", ".join(f'"{key}"' for key in _WRAPPERS)
        raise ModelError(f"{path} holds no weights: expected a state dict, alone or under one of the keys {keys}.")
    while prefix := next((each for each in _PREFIXES if all(name.startswith(each) for name in weights)), None):
        weights = {name.removeprefix(prefix): weight for name, weight in weights.items()}
    return weights


def _wrapper(found: object) -> str | None:
    """Return the key under which the weights lie, if they do not lie here."""
    if not isinstance(found, Mapping):
        return None
    return next((key for key in _WRAPPERS if isinstance(found.get(key), Mapping)), None)


def _plain_dict(*_: object) -> dict[object, object]:
    return {}


_SETTINGS: list[Any] = [
    argparse.Namespace,  # the command line's options, as the authors' code writes them; it has attributes only
    *(range, slice, frozenset),
    *((_plain_dict, name) for name in ("collections.defaultdict", "builtins.dict", "builtins.list")),
    *(pathlib.PurePosixPath, pathlib.PureWindowsPath),
    *((pathlib.PurePosixPath, f"{module}.PosixPath") for module in ("pathlib", "pathlib._local")),
    *((pathlib.PureWindowsPath, f"{module}.WindowsPath") for module in ("pathlib", "pathlib._local")),
    *(np.dtype, np.ndarray, *{type(np.dtype(code)) for code in np.typecodes["All"] if code != "O"}),
    *(  # NumPy's numbers and arrays, as version 1 and as version 2 write them
        (example.__reduce__()[0], f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for name, example in (("scalar", np.float64()), ("_reconstruct", np.empty(0)))
    ),
]
"""What a checkpoint may hold beside weights: all types of which PyTorch may make objects, none of which runs code."""
