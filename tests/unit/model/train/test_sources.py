import pytest

from model.train.sources import Joined


class Numbered:
    """Items that tell their set, index and epoch."""

    def __init__(self, name, count):
        self.name, self.count = name, count

    def __len__(self):
        return self.count

    def __getitem__(self, key):
        epoch, index = key
        if not 0 <= index < self.count:
            raise IndexError
        return self.name, index, epoch


@pytest.fixture
def joined():
    return Joined([Numbered("a", 3), Numbered("b", 2)], [1, 3])


def test_each_set_is_there_so_many_times(joined):
    items = [joined[index][:2] for index in range(len(joined))]

    assert items == [("a", 0), ("a", 1), ("a", 2)] + [("b", 0), ("b", 1)] * 3


def test_each_time_is_another_draw_in_every_epoch(joined):
    drawn = []
    for epoch in range(4):
        drawn += [joined[epoch, index] for index in range(len(joined))]

    assert len(set(drawn)) == len(drawn) == 4 * 9


def test_beyond_the_last_there_is_nothing(joined):
    with pytest.raises(IndexError):
        joined[len(joined)]
