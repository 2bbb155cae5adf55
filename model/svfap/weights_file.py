"""Load the weights of a `.pth` file, a pickle, without running code in it."""

from __future__ import annotations

import argparse
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from model.errors import ModelError


def read_weights(path: Path) -> dict[str, Tensor]:
    """Load a checkpoint's weights; code that is pickled in it is never run.

    Returns:
        The parameters by name, in float32.

    Raises:
        ModelError: the file is no PyTorch checkpoint, contains more than weights and settings, or has no weights.
    """
    try:
        # The authors' files contain the command-line options, too, as a Namespace, which has attributes only.
        with torch.serialization.safe_globals([argparse.Namespace]):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    except pickle.UnpicklingError as error:
        what = re.search(r"(?:global|GLOBAL) ([\w.]+)", str(error))
        held = f"it holds {what[1]}" if what else "it is no file of PyTorch's"
        raise ModelError(f"{path} was not loaded: {held}. A checkpoint is a pickled dict of weights.") from error
    except Exception as error:  # damaged files raise many types
        raise ModelError(f"{path} is no checkpoint of PyTorch's, or a damaged one.") from error
    for key in ("model", "module"):
        if isinstance(found, dict) and isinstance(found.get(key), Mapping):
            found = found[key]
            break
    weights = {str(k): v.float() for k, v in found.items() if isinstance(v, Tensor)} if isinstance(found, dict) else {}
    if not weights:
        raise ModelError(f'{path} holds no weights: expected a state dict under the key "model" or "module".')
    return weights
