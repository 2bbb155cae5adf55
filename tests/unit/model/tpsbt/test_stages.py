import pytest
import torch

from model.tpsbt.stages import BottleneckStage, FullStage, SpatialBottleneck, TemporalPyramid
from model.tpsbt.zoo import ZOO, Size

WIDTH = 12
SIZE = Size(width=WIDTH, heads=3, depths=(2, 3, 3), bottleneck_tokens=4, bottleneck_hidden=10)


def shaken(module):
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module.eval()


def test_the_temporal_pyramid_convolves_pairs_of_time_steps_at_each_place():
    pyramid = shaken(TemporalPyramid(WIDTH))
    grid = torch.randn(2, 4, 5, WIDTH)

    halved = pyramid(grid)

    assert halved.shape == (2, 2, 5, WIDTH)
    for b, t, p in [(0, 0, 0), (1, 0, 3), (1, 1, 4)]:
        expected = pyramid.weight[:, :, 0] @ grid[b, 2 * t, p] + pyramid.weight[:, :, 1] @ grid[b, 2 * t + 1, p]
        torch.testing.assert_close(halved[b, t, p], expected + pyramid.bias)


def test_the_temporal_pyramid_takes_a_single_time_step_twice():
    pyramid = shaken(TemporalPyramid(WIDTH))
    grid = torch.randn(2, 1, 5, WIDTH)

    torch.testing.assert_close(pyramid(grid), pyramid(torch.cat((grid, grid), dim=1)))


def test_an_odd_number_of_time_steps_is_refused():
    with pytest.raises(ValueError, match="3 time steps"):
        TemporalPyramid(WIDTH)(torch.zeros(1, 3, 5, WIDTH))


def test_a_bottleneck_token_is_a_softmax_weighted_sum_of_one_time_steps_tokens():
    bottleneck = shaken(SpatialBottleneck(WIDTH, hidden=10, tokens=8))
    grid = torch.randn(2, 3, 5, WIDTH) * 4 + 1

    summary = bottleneck(grid)

    assert summary.shape == (2, 3, 8, WIDTH)
    for b, t, k in [(0, 0, 0), (1, 2, 7), (0, 1, 3)]:
        scores = torch.stack([bottleneck.mlp(bottleneck.norm(token))[k] for token in grid[b, t]])
        shares = scores.exp() / scores.exp().sum()
        # of the tokens themselves, not of the normalised ones
        torch.testing.assert_close(summary[b, t, k], sum(s * x for s, x in zip(shares, grid[b, t], strict=True)))


def test_a_stages_bottleneck_is_as_large_as_its_size_says():
    bottleneck = BottleneckStage(SIZE, drops=[0], stage=2).spatial_bottleneck

    assert (bottleneck.mlp.fc1.out_features, bottleneck.mlp.fc2.out_features) == (10, 4)


def test_each_stage_may_have_a_bottleneck_of_its_own():
    size = SIZE._replace(bottleneck_tokens=(6, 4), bottleneck_hidden=(10, 12))

    second, third = (BottleneckStage(size, drops=[0], stage=stage).spatial_bottleneck.mlp for stage in (2, 3))

    assert (second.fc1.out_features, second.fc2.out_features) == (10, 6)
    assert (third.fc1.out_features, third.fc2.out_features) == (12, 4)


def test_every_size_has_the_papers_bottleneck():
    assert {(size.bottleneck_tokens, size.bottleneck_hidden) for size in ZOO.values()} == {(8, 128)}


def test_the_first_stage_lets_every_token_attend_to_all_others():
    stage = shaken(FullStage(SIZE, drops=[0, 0]))
    grid = torch.randn(2, 4, 5, WIDTH)

    tokens = stage.blocks[1](stage.blocks[0](grid.reshape(2, 20, WIDTH)))

    torch.testing.assert_close(stage(grid), tokens.reshape(2, 4, 5, WIDTH))


def test_a_bottleneck_stage_refines_the_summary_and_turns_its_last_block_round():
    stage = shaken(BottleneckStage(SIZE, drops=[0, 0, 0], stage=2))
    grid = torch.randn(2, 4, 5, WIDTH)

    halved = stage.temporal_pyramid(grid)
    tokens = halved.reshape(2, 10, WIDTH)
    summary = stage.spatial_bottleneck(halved).reshape(2, 8, WIDTH)
    summary = stage.blocks[0](summary, context=tokens)
    summary = stage.blocks[1](summary, context=tokens)
    expected = stage.blocks[2](tokens, context=summary)  # the stage's tokens ask, the summary answers

    torch.testing.assert_close(stage(grid), expected.reshape(2, 2, 5, WIDTH))
