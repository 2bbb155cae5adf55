"""Find the tasks that a model and a dataset share."""

from __future__ import annotations

from collections.abc import Sequence

from mien.contract.bundle import Task
from model.errors import ModelError
from model.evaluation.scoring import Scorer
from model.tasks.learnt import LearntTask, served


def common_tasks(scorer: Scorer, dataset: str, dataset_tasks: Sequence[LearntTask]) -> tuple[Task, ...]:
    """Return the model's tasks that a dataset has labels for.

    Args:
        scorer: the model.
        dataset: the dataset's name, for messages.
        dataset_tasks: the dataset's tasks.

    Raises:
        ModelError: there is none, or a dimension or trait has another range.
    """
    theirs = {task.kind: task for task in served(dataset_tasks)}
    common = tuple(task for task in scorer.tasks if task.kind in theirs)
    if not common:
        here, there = (", ".join(task.kind for task in tasks) or "nothing" for tasks in (scorer.tasks, dataset_tasks))
        raise ModelError(f"{scorer.name} has the tasks {here}, and {dataset} has labels of {there}.")
    for task in common:
        data = theirs[task.kind].ranges
        for name, ours in task.ranges.items():
            if data.get(name, ours) != ours:
                raise ModelError(f"{scorer.name} has {name} in {ours}, {dataset} in {data[name]}.")
    return common
