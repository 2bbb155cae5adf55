from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, PersonalityTask, TaskKind
from mien.contract.results import Expression
from service.worker.scores import KINDS, scores, window_scores

EXPRESSION = ExpressionTask(labels=("calm", "glad", "sad"))
SIGNED = DimensionsTask(dimensions=(Dimension(name="valence"), Dimension(name="arousal")))
PERSONALITY = PersonalityTask(traits=("openness", "neuroticism"))


def outputs(**values: list[float]) -> dict[str, np.ndarray]:
    return {kind: np.array(row, np.float32) for kind, row in values.items()}


def test_each_kind_of_task_has_a_row():
    assert KINDS.keys() == set(get_args(TaskKind))


def test_a_window_has_the_scores_of_the_tasks_that_are_there():
    found = window_scores(
        [EXPRESSION, SIGNED, PERSONALITY], outputs(expression=[0.2, 0.7, 0.1], personality=[0.5, 0.5])
    )

    assert found == {"expression": Expression(label="glad", scores={"calm": 0.2, "glad": 0.7, "sad": 0.1})}


@pytest.mark.parametrize(
    ("minimum", "maximum", "value", "expected"),
    [
        (-1, 1, 0.25, 0.25),
        (1, 9, 5, 0.0),
        (1, 9, 1, -1.0),
        (0, 10, 7.5, 0.5),
        (-1, 1, 1.0000001, 1.0),
        (0, 10, -3, -1.0),
    ],
)
def test_a_dimension_is_brought_from_its_range_to_plus_and_minus_one(minimum, maximum, value, expected):
    task = DimensionsTask(dimensions=(Dimension(name="arousal", minimum=minimum, maximum=maximum),))

    assert scores([task], outputs(dimensions=[value])) == {"arousal": expected}


def test_probabilities_just_outside_their_range_are_brought_into_it_and_rounded():
    found = scores([EXPRESSION], outputs(expression=[-1e-7, 1.0000001, 0.123456]))

    assert found["expression"].scores == {"calm": 0.0, "glad": 1.0, "sad": 0.1235}
