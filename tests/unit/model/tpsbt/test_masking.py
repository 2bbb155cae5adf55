import pytest
import torch

from model.tpsbt.masking import at_places, draw_mask, masked_places


@pytest.mark.parametrize(("places", "hidden"), [(100, 90), (49, 44), (4, 3), (1, 0)])
def test_nine_tenths_of_the_places_are_hidden_rounded_down(places, hidden):
    mask = draw_mask(3, places, torch.Generator().manual_seed(0))

    assert masked_places(places) == hidden
    assert mask.hidden.shape == (3, hidden)
    assert mask.visible.shape == (3, places - hidden)


def test_each_place_is_either_visible_or_hidden_and_in_order():
    visible, hidden = draw_mask(8, 100, torch.Generator().manual_seed(1))

    for clip in range(8):
        assert visible[clip].tolist() == sorted(visible[clip].tolist())
        assert hidden[clip].tolist() == sorted(hidden[clip].tolist())
        assert sorted(visible[clip].tolist() + hidden[clip].tolist()) == list(range(100))


def test_each_clip_hides_other_places_and_the_generator_decides_which():
    mask = draw_mask(2, 100, torch.Generator().manual_seed(1))
    again = draw_mask(2, 100, torch.Generator().manual_seed(1))

    assert not mask.visible[0].equal(mask.visible[1])
    assert mask.visible.equal(again.visible)


def test_every_place_is_hidden_equally_often():
    mask = draw_mask(4000, 10, torch.Generator().manual_seed(2))

    seen = mask.visible.flatten().bincount(minlength=10) / 4000
    torch.testing.assert_close(seen, torch.full((10,), 0.1), atol=0.02, rtol=0)


@pytest.mark.parametrize("grids", [2, 1])
def test_places_are_taken_at_every_time_step(grids):
    grid = torch.randn(grids, 3, 5, 4)
    places = torch.tensor([[4, 0], [1, 2]])

    taken = at_places(grid, places)

    assert taken.shape == (2, 3, 2, 4)
    for clip in range(2):
        for time in range(3):
            for at, place in enumerate(places[clip].tolist()):
                assert taken[clip, time, at].equal(grid[clip % grids, time, place])
