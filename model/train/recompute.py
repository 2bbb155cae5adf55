"""Activation checkpointing (Chen et al., arXiv 1604.06174): trade time for memory."""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from model.tpsbt.blocks import Block


def recompute_blocks(model: nn.Module) -> None:
    """Make each transformer block compute its activations again in the backward pass instead of keeping them.

    Parameters keep their names; random numbers in a block are the same in both passes.
    """
    for block in model.modules():
        if isinstance(block, Block):
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)  # type: ignore[method-assign]
