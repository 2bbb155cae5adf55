"""Write and read checkpoints: one file with the model and all state that a resumed run needs.

`format`    2
`kind`      "pretraining", "finetuning" or "imported"
`size`      of the encoder, a row of the zoo as a dict
`model`     the state dict of `MaskedAutoencoder`, or of `AffectModel`; imported for a start: at least `encoder.…`
`about`     metadata of the model, e.g. its tasks and its input (plain containers; written by each recipe)
`optimisers` their state dicts    `step`     steps done        `config`  of the run
`best`      the best validation score so far, or None
`trained`   if `model` is a moving average of the weights: the weights with which training continues

A checkpoint has no random generator states and no position in the data: random numbers of a step depend on
(seed, step, process) only, a clip on (seed, epoch, index) only, see `loop`. So a run may resume with another number
of loader workers, and all processes read one file.

Files are unpickled without running code in them. They are written under a temporary name and renamed, so that a
checkpoint is never incomplete.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from model.errors import ModelError
from model.tpsbt.zoo import Size
from model.unfinished import unfinished

FORMAT = 2
LAST = "last.pt"
BEST = "best.pt"
KEPT = "epoch_{:04d}.pt"
ENCODER = "encoder."
_ALWAYS = {"kind", "size", "model", "about"}  # keys of every checkpoint


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint; an earlier one is replaced."""
    with unfinished(path) as part, part.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())


def load(path: Path, *kinds: str) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Args:
        path: the file.
        kinds: the allowed kinds; all, if none is named.

    Raises:
        ModelError: the file is missing, no checkpoint of mien-model, or of another kind.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"The checkpoint {path} cannot be read: {error.strerror}.") from error
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelError(f"{path} is no checkpoint that mien-model wrote: it cannot be unpacked safely.") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT or not state.keys() >= _ALWAYS:
        raise ModelError(f"{path} is no checkpoint that mien-model wrote. A published one goes through `import` first.")
    if kinds and state["kind"] not in kinds:
        raise ModelError(f"{path} is a checkpoint of {state['kind']}; {' or '.join(kinds)} was expected.")
    return state


def size_of(state: Mapping[str, Any]) -> Size:
    """Return the encoder's size that a checkpoint holds."""
    return Size(**state["size"])


def start_encoder(encoder: nn.Module, state: Mapping[str, Any], path: Path) -> None:
    """Load an encoder's weights from a checkpoint.

    Raises:
        ModelError: they do not fit.
    """
    weights: dict[str, Tensor] = {
        name.removeprefix(ENCODER): weight for name, weight in state["model"].items() if name.startswith(ENCODER)
    }
    fill(encoder, weights, path)


def fill(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load a model's weights; the names and shapes must be the same.

    Raises:
        ModelError: a weight is missing, unexpected or of another shape.
    """
    own = model.state_dict()
    for name in sorted(own.keys() | weights.keys()):
        if name not in weights:
            raise ModelError(f"{path} is a checkpoint of another model: it lacks {name}.")
        if name not in own:
            raise ModelError(f"{path} is a checkpoint of another model: there is no {name} in this one.")
        if own[name].shape != weights[name].shape:
            there, here = tuple(weights[name].shape), tuple(own[name].shape)
            raise ModelError(f"{path} is a checkpoint of another model: {name} is {there} there and {here} here.")
    model.load_state_dict(weights)
