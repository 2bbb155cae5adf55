import math

import pytest
import torch

from model.tpsbt.tubelets import TubeletEmbedding, positions


def test_positions_are_the_papers_sines_and_cosines_of_the_token_index():
    table = positions(800, 512)

    for n, j in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (7, 3), (80, 100), (799, 0), (799, 1), (799, 510), (799, 511)]:
        angle = n / 10000 ** (2 * (j // 2) / 512)
        assert table[n, j].item() == pytest.approx(math.sin(angle) if j % 2 == 0 else math.cos(angle), abs=1e-7)
    assert table.dtype == torch.float32


def test_positions_are_not_learned():
    assert [name for name, _ in TubeletEmbedding(8).named_parameters()] == ["weight", "bias"]
    assert not list(TubeletEmbedding(8).buffers())


def test_a_token_is_the_weighted_sum_of_its_tubelet_and_its_position():
    embedding = TubeletEmbedding(8)
    clip = torch.randn(1, 3, 4, 48, 32)

    grid = embedding(clip)

    time, row, column, rows, columns = 1, 1, 0, 3, 2
    tubelet = clip[0, :, 2 * time : 2 * time + 2, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
    expected = (embedding.weight * tubelet).sum(dim=(1, 2, 3, 4)) + embedding.bias
    expected = expected + positions(12, 8)[time * rows * columns + row * columns + column]
    torch.testing.assert_close(grid[0, time, row * columns + column], expected)
    assert grid.shape == (1, 2, 6, 8)


@pytest.mark.parametrize("shape", [(3, 32, 32), (4, 40, 32), (4, 32, 40)])
def test_clips_that_do_not_divide_into_tubelets_are_refused(shape):
    with pytest.raises(ValueError, match="tubelets"):
        TubeletEmbedding(8)(torch.zeros(1, 3, *shape))
