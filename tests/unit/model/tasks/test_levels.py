import torch

from mien.contract.bundle import Dimension, DimensionsTask
from model.tasks.levels import ABSENT, level_values, nearest_levels

TASK = DimensionsTask(dimensions=(Dimension(name="valence"), Dimension(name="arousal", minimum=0, maximum=4)), levels=5)


def test_levels_lie_evenly_over_each_range_with_both_ends():
    assert level_values(TASK).tolist() == [[-1, -0.5, 0, 0.5, 1], [0, 1, 2, 3, 4]]


def test_a_value_goes_to_the_nearest_level_and_one_outside_to_the_end():
    values = torch.tensor([[-1.0, 0.0], [-0.3, 1.4], [0.8, 1.6], [7.0, -7.0]])

    assert nearest_levels(TASK, values).tolist() == [[0, 0], [1, 1], [4, 2], [4, 0]]


def test_an_absent_value_has_no_level():
    assert nearest_levels(TASK, torch.tensor([[torch.nan, 3.0]])).tolist() == [[ABSENT, 3]]
