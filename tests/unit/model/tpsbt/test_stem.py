import pytest
import torch

from model.tpsbt.stem import ConvolutionalStem
from model.tpsbt.tubelets import cut, positions


@pytest.fixture
def stem():
    stem = ConvolutionalStem((4, 4, 8, 8), 2, 6)
    for _ in range(3):
        stem(torch.randn(2, 3, 4, 32, 48))  # so that norms have seen something
    return stem.eval()


def test_each_place_and_time_step_has_a_token(stem):
    assert stem(torch.randn(2, 3, 4, 32, 48)).shape == (2, 2, 6, 6)


def test_what_is_of_one_tubelet_is_embedded_as_the_clip_is_but_for_its_position(stem):
    clips = torch.randn(2, 3, 2, 16, 16)

    torch.testing.assert_close(stem(clips), stem.embed(cut(clips)) + positions(1, 6))


def test_tokens_of_a_clip_come_from_all_around_and_those_of_cut_tubelets_from_inside(stem):
    clips = torch.randn(1, 3, 4, 32, 48)
    other = clips.clone()
    other[:, :, :2, :, 16:32] += 1  # the middle column of the first time step

    whole = (stem(clips) != stem(other)).any(dim=-1)
    single = (stem.embed(cut(clips)) != stem.embed(cut(other))).any(dim=-1)

    assert whole.tolist() == [[[True] * 6, [False] * 6]]
    assert single.tolist() == [[[False, True, False] * 2, [False] * 6]]


def test_time_steps_and_places_lie_in_the_order_of_the_linear_embedding(stem):
    clips = torch.randn(1, 3, 4, 32, 48)

    tokens = stem.embed(cut(clips))

    torch.testing.assert_close(tokens[0, 1, 2], stem.embed(cut(clips[:, :, 2:, :16, 32:]))[0, 0, 0])
    grid = stem(clips) - positions(12, 6).view(2, 6, 6)
    second = stem(clips[:, :, 2:]) - positions(6, 6).view(1, 6, 6)
    torch.testing.assert_close(grid[:, 1:], second)


def test_places_go_along_rows(stem):
    clips = torch.randn(1, 3, 2, 32, 256)
    other = clips.clone()
    other[..., :16, :16] += 1  # seen from 100 pixels around, in which both rows are

    changed = (stem(clips) != stem(other)).any(dim=-1).view(2, 16)

    assert changed[:, 0].all()
    assert not changed[:, 8:].any()


@pytest.mark.parametrize("shape", [(3, 32, 32), (4, 40, 32), (4, 32, 40)])
def test_clips_that_do_not_divide_into_tubelets_are_refused(stem, shape):
    with pytest.raises(ValueError, match="tubelets"):
        stem(torch.zeros(1, 3, *shape))
