"""Encoder sizes of TPSBT, one row each."""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    """Size of an encoder, a row of the zoo."""

    width: int
    heads: int
    depths: tuple[int, int, int]
    """Number of blocks in each stage."""
    bottleneck_tokens: int | tuple[int, int] = 8
    """Bottleneck tokens for each time step in stages 2 and 3 (the paper's K): one number, or one for each stage."""
    bottleneck_hidden: int | tuple[int, int] = 128
    """Hidden units of the MLP that weighs the places, likewise."""
    stem: tuple[int, int, int, int] | None = None
    """Channels of a convolutional stem; without one, the paper's linear tubelet embedding."""
    stem_blocks: int = 3
    """Residual blocks at each of the stem's three scales."""
    heads_by_place: bool = False
    """Whether heads read all tokens of the last stage, instead of their mean as in the paper."""

    def bottleneck(self, stage: int) -> tuple[int, int]:
        """Return the hidden units and the bottleneck tokens of stage 2 or 3."""
        hidden, tokens = (
            number if isinstance(number, int) else number[stage - 2]
            for number in (self.bottleneck_hidden, self.bottleneck_tokens)
        )
        return hidden, tokens


_STEM = (32, 32, 64, 128)

ZOO = {
    "base": Size(width=512, heads=8, depths=(12, 6, 3)),  # the paper's
    "small": Size(width=384, heads=6, depths=(12, 6, 3)),
    # Ours, for the default bundle on CPUs; then, for comparison, a plain ViT, and the paper's embedding and head.
    "tiny": Size(width=128, heads=2, depths=(4, 2, 2), stem=_STEM, heads_by_place=True),
    "tiny-vit": Size(width=128, heads=2, depths=(8, 0, 0), stem=_STEM, heads_by_place=True),
    "tiny-linear": Size(width=128, heads=2, depths=(4, 2, 2)),
}
