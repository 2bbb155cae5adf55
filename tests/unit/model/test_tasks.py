import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from model.tasks import MAIN_METRICS, LearntTask, SideTask, names, served
from model.train.metrics import measure

UNITS = SideTask(kind="units", names=("AU1", "AU2"))


def test_units_are_learnt_and_not_served(tasks):
    assert served((tasks[0], UNITS, *tasks[1:])) == tasks
    assert served((UNITS,)) == ()


def test_a_task_is_read_by_its_kind(tasks):
    adapter = TypeAdapter(tuple[LearntTask, ...])

    assert adapter.validate_json(adapter.dump_json((*tasks, UNITS))) == (*tasks, UNITS)


def test_the_columns_of_each_kind_of_task_have_names(tasks):
    assert [names(task) for task in (*tasks, UNITS)] == [
        ("happiness", "sadness", "neutral"),
        ("valence", "arousal"),
        ("openness", "extraversion"),
        ("AU1", "AU2"),
    ]


def test_the_main_metric_of_each_kind_of_task_is_measured(tasks):
    landmarks = SideTask(kind="landmarks", names=("x0",))
    for task in (*tasks, UNITS, landmarks):
        outputs = torch.eye(2, len(names(task)))

        assert MAIN_METRICS[task.kind] in measure(task, outputs, outputs)


def test_units_have_names():
    with pytest.raises(ValidationError):
        SideTask(kind="units", names=())
