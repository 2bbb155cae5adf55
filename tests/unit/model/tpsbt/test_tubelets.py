import math

import pytest
import torch

from model.tpsbt.tubelets import TubeletEmbedding, cut, join, positions


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


def test_cut_tubelets_hold_time_row_column_channel_and_join_to_the_clips_again():
    clips = torch.rand(2, 3, 4, 32, 48)

    tubelets = cut(clips)

    assert tubelets.shape == (2, 2, 6, 1536)
    for b, t, row, column in [(0, 0, 0, 0), (1, 1, 1, 2), (0, 1, 0, 1)]:
        part = clips[b, :, 2 * t : 2 * t + 2, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        for frame, y, x, channel in [(0, 0, 0, 0), (1, 5, 9, 2), (0, 15, 0, 1)]:
            index = ((frame * 16 + y) * 16 + x) * 3 + channel
            assert tubelets[b, t, row * 3 + column, index] == part[channel, frame, y, x]
    assert join(tubelets, rows=2).equal(clips)


def test_cut_tubelets_are_embedded_as_clips_are():
    embedding = TubeletEmbedding(8)
    clips = torch.randn(2, 3, 4, 32, 48)

    grid = embedding.embed(cut(clips)) + positions(12, 8).view(2, 6, 8)

    torch.testing.assert_close(grid, embedding(clips), atol=1e-5, rtol=1e-4)
