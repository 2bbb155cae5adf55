import pytest
import torch

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, PersonalityTask
from model.data.labels import label_columns
from model.data.prepared import ClipRow
from model.errors import ModelError
from model.tasks.learnt import SideTask

TASKS = (
    ExpressionTask(labels=("sadness", "fear")),
    DimensionsTask(dimensions=(Dimension(name="arousal"), Dimension(name="valence"))),
    PersonalityTask(traits=("openness",)),
)


def row(**labels):
    return ClipRow(id="a clip", media="a.mp4", part="train", **labels)


def test_labels_come_in_the_tasks_order_and_absent_ones_are_marked():
    rows = [row(expression="fear", valence=0.5, arousal=-1), row(openness=0.25, valence=0), row()]

    columns = label_columns(rows, TASKS, TASKS)

    assert torch.equal(columns["expression"].nan_to_num(9), torch.tensor([[0, 1], [9, 9], [9, 9]]))
    assert columns["expression"].dtype == torch.float32
    assert torch.equal(columns["dimensions"].nan_to_num(9), torch.tensor([[-1, 0.5], [9, 0], [9, 9]]))
    assert torch.equal(columns["personality"].nan_to_num(9), torch.tensor([[9], [0.25], [9]]))
    assert columns["dimensions"].dtype == torch.float32


def test_no_rows_are_no_trouble():
    columns = label_columns([], TASKS, TASKS)

    assert columns["dimensions"].shape == (0, 2)


def test_votes_are_shares_and_the_rows_own_expression_wins_a_tie():
    rows = [row(votes="3 1"), row(votes="2 2", expression="fear"), row(votes="2 2", expression="sadness")]

    shares = label_columns(rows, TASKS, TASKS)["expression"]

    torch.testing.assert_close(shares[0], torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(shares[1:], torch.full((2, 2), 0.5), atol=1e-3, rtol=0)
    assert shares.argmax(dim=1).tolist() == [0, 1, 0]


def test_another_number_of_votes_is_refused():
    with pytest.raises(ModelError, match=r"clips\.csv: clip a clip has 3 votes; expected 2"):
        label_columns([row(votes="1 2 3")], TASKS, TASKS)


def test_votes_are_read_in_the_datasets_order_and_returned_in_the_models():
    rows = [row(votes="3 1", expression="sadness"), row(votes="0 4", expression="fear"), row(votes="2 2")]
    model = ExpressionTask(labels=("fear", "calm", "sadness"))

    shares = label_columns(rows, (model,), TASKS)["expression"]

    torch.testing.assert_close(shares, torch.tensor([[0.25, 0, 0.75], [1, 0, 0], [0.5, 0, 0.5]]), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"votes": "1 3", "expression": "fear"}, "votes for the expression sadness; expected one of fear, calm"),
        ({"votes": "3 1", "expression": "sadness"}, "the expression sadness; expected one of fear, calm"),
    ],
)
def test_votes_for_an_expression_that_the_model_does_not_have_are_refused(labels, message):
    model = ExpressionTask(labels=("fear", "calm"))

    assert label_columns([row(votes="0 1")], (model,), TASKS)["expression"].tolist() == [[1, 0]]
    with pytest.raises(ModelError, match=message):
        label_columns([row(**labels)], (model,), TASKS)


def test_an_expression_that_the_task_does_not_have_is_refused():
    with pytest.raises(ModelError, match=r"clips\.csv: clip a clip has the expression joy; .*sadness, fear"):
        label_columns([row(expression="joy")], TASKS, TASKS)


UNITS = SideTask(kind="units", names=("AU1", "AU12", "AU45"))


def test_units_come_in_the_tasks_order_and_absent_ones_are_marked():
    column = label_columns([row(units="0.5 0 1"), row()], (UNITS,), (UNITS,))["units"]

    assert torch.equal(column.nan_to_num(9), torch.tensor([[0.5, 0, 1], [9, 9, 9]]))
    assert column.dtype == torch.float32
    assert label_columns([], (UNITS,), (UNITS,))["units"].shape == (0, 3)


def test_units_are_read_in_the_datasets_order_and_those_it_lacks_are_absent():
    model = SideTask(kind="units", names=("AU45", "AU2", "AU1"))

    column = label_columns([row(units="0.5 0 1"), row()], (model,), (UNITS,))["units"]

    assert torch.equal(column.nan_to_num(9), torch.tensor([[1, 9, 0.5], [9, 9, 9]]))


def test_another_number_of_units_is_refused():
    with pytest.raises(ModelError, match=r"clips\.csv: clip a clip has 2 units; expected 3"):
        label_columns([row(units="0.5 1")], (UNITS,), (UNITS,))
