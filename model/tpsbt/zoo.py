"""The sizes of TPSBT, one row each."""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    """A row of the zoo."""

    width: int
    heads: int
    depths: tuple[int, int, int]
    """Blocks in each stage."""
    bottleneck_tokens: int = 8
    """That stand for all places of one time step, in stages 2 and 3 (the paper's K)."""
    bottleneck_hidden: int = 128
    """Hidden units of the MLP that scores the places for them."""


ZOO = {
    "base": Size(width=512, heads=8, depths=(12, 6, 3)),  # the paper's
    "small": Size(width=384, heads=6, depths=(12, 6, 3)),
    "tiny": Size(width=128, heads=2, depths=(4, 2, 2)),  # ours, for the default bundle on ordinary processors
    "tiny-vit": Size(width=128, heads=2, depths=(8, 0, 0)),  # a plain ViT to compare it with
}
