"""A tubelet embedding that starts from the data: its principal components, each of variance 1.

Neighbouring pixels are so alike that nearly all of a tubelet's variance is its brightness (measured on rendered faces:
the first component has 145 times the variance of the eleventh). With random weights a token starts as little more than
that, and what tells expressions apart has to grow out of the noise. As the first layer of small image classifiers it
is known from Coates, Ng and Lee (2011).
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.tpsbt.tubelets import TUBELET, TubeletEmbedding, cut

VARIANCE_FLOOR = 1e-3
"""Of components that hardly vary, in squared standard deviations of ImageNet's pixels."""


@torch.no_grad()
def whiten(embedding: TubeletEmbedding, clips: Tensor) -> None:
    """Let an embedding give each clip's principal components, as many as it is wide.

    Args:
        embedding: gets new weights.
        clips: normalised, (B, 3, frames, height, width); some thousand tubelets in all.
    """
    tubelets = cut(clips).flatten(0, 2).double()  # (B, T, P, 1536) → (B·T·P, 1536)
    width = embedding.out_channels
    variances, components = torch.linalg.eigh(torch.cov(tubelets.T))  # rising; components are columns
    variances, components = variances[-width:].flip(0), components[:, -width:].flip(1)
    weight = (components / (variances + VARIANCE_FLOOR).sqrt()).T  # (D, 1536)
    if embedding.bias is not None:
        embedding.bias.copy_(-(weight @ tubelets.mean(dim=0)))
    # (D, 2·16·16·3) → (D, 2, 16, 16, 3) → (D, 3, 2, 16, 16)
    embedding.weight.copy_(weight.view(width, *TUBELET, 3).permute(0, 4, 1, 2, 3))
