"""Count the parameters and multiply-accumulate operations of an encoder size."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from model.tpsbt.encoder import Encoder
from model.tpsbt.zoo import Size


class Complexity(NamedTuple):
    """Parameters of an encoder and operations of a forward pass."""

    parameters: int
    macs: int
    """Multiply-accumulate operations of the convolutions, linear layers and attention."""


CLIP = (1, 3, 16, 160, 160)
"""The paper's input, (B, 3, frames, height, width)."""


def complexity(size: Size, clip: tuple[int, int, int, int, int] = CLIP) -> Complexity:
    """Count an encoder's parameters and its MACs for clips, (B, 3, frames, height, width); allocate no weights."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        encoder = Encoder(size)
        encoder(torch.empty(clip))
    return Complexity(sum(parameter.numel() for parameter in encoder.parameters()), counter.get_total_flops() // 2)
