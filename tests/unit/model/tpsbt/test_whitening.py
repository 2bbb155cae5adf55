import torch

from model.tpsbt.tubelets import TubeletEmbedding, cut
from model.tpsbt.whitening import VARIANCE_FLOOR, whiten

WIDTH = 24


def smooth_clips():
    """Clips whose neighbouring pixels are alike, far from mean 0, (B, 3, frames, height, width)."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(6, 3, 8, 12, 12, generator=generator)
    return 2 + torch.nn.functional.interpolate(coarse, size=(8, 48, 48), mode="trilinear")


def tokens(embedding, clips):
    """Of all tubelets, without their positions, (N, width)."""
    return embedding.embed(cut(clips)).flatten(0, 2)


def test_tokens_vary_alike_in_all_columns_and_independently():
    clips, embedding = smooth_clips(), TubeletEmbedding(WIDTH)

    whiten(embedding, clips)

    found = tokens(embedding, clips).double()
    variances = torch.linalg.eigvalsh(torch.cov(cut(clips).flatten(0, 2).double().T)).flip(0)[:WIDTH]
    expected = torch.diag(variances / (variances + VARIANCE_FLOOR))
    assert torch.allclose(torch.cov(found.T), expected, atol=1e-3)
    assert torch.allclose(found.mean(dim=0), torch.zeros(WIDTH).double(), atol=1e-3)


def test_both_ways_through_the_embedding_agree():
    clips, embedding = smooth_clips(), TubeletEmbedding(WIDTH)

    whiten(embedding, clips)

    positions = embedding(torch.zeros_like(clips)) - embedding.bias
    assert torch.allclose(embedding(clips) - positions, embedding.embed(cut(clips)), atol=1e-4)
