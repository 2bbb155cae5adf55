import pytest
from pydantic import TypeAdapter, ValidationError

from model.tasks import LearntTask, SideTask, served

UNITS = SideTask(kind="units", names=("AU1", "AU2"))


def test_units_are_learnt_and_not_served(tasks):
    assert served((tasks[0], UNITS, *tasks[1:])) == tasks
    assert served((UNITS,)) == ()


def test_a_task_is_read_by_its_kind(tasks):
    adapter = TypeAdapter(tuple[LearntTask, ...])

    assert adapter.validate_json(adapter.dump_json((*tasks, UNITS))) == (*tasks, UNITS)


def test_units_have_names():
    with pytest.raises(ValidationError):
        SideTask(kind="units", names=())
