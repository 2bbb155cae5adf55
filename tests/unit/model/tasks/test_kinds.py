from typing import get_args

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from model.tasks.kinds import KINDS, kind_of
from model.tasks.learnt import LearntKind, LearntTask, SideTask, served

UNITS = SideTask(kind="units", names=("AU1", "AU2"))


def test_units_are_learnt_and_not_served(tasks):
    assert served((tasks[0], UNITS, *tasks[1:])) == tasks
    assert served((UNITS,)) == ()


def test_a_task_is_read_by_its_kind(tasks):
    adapter = TypeAdapter(tuple[LearntTask, ...])

    assert adapter.validate_json(adapter.dump_json((*tasks, UNITS))) == (*tasks, UNITS)


def test_the_columns_of_each_kind_of_task_have_names(tasks):
    assert [task.names for task in (*tasks, UNITS)] == [
        ("happiness", "sadness", "neutral"),
        ("valence", "arousal"),
        ("openness", "extraversion"),
        ("AU1", "AU2"),
    ]


def test_each_kind_has_a_row():
    assert KINDS.keys() == set(get_args(LearntKind))


def test_each_row_fits_together(tasks):
    levels = tasks[1].model_copy(update={"levels": 5})
    landmarks = SideTask(kind="landmarks", names=("x0",))
    for task in (*tasks, levels, UNITS, landmarks):
        kind, labels = kind_of(task), torch.eye(2, len(task.names))
        head = kind.head(task, 8)
        output = head(torch.randn(2, 8))

        kind.loss(output, kind.targets(task, labels, 0.1), None).backward()
        measured = kind.measure(task, head.read(output).detach(), labels)

        assert head.weight.grad.any()
        assert kind.main_metric in measured


def test_units_have_names():
    with pytest.raises(ValidationError):
        SideTask(kind="units", names=())
