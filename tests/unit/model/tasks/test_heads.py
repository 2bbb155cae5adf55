import pytest
import torch

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, PersonalityTask
from model.tasks.kinds import kind_of
from model.tasks.learnt import SideTask

EXPRESSION = ExpressionTask(labels=("happiness", "neutral"))
DIMENSIONS = DimensionsTask(dimensions=(Dimension(name="valence"), Dimension(name="arousal", minimum=0, maximum=4)))
LEVELS = DIMENSIONS.model_copy(update={"levels": 5})
PERSONALITY = PersonalityTask(traits=("openness", "extraversion"))
FAR = torch.tensor([[-1e3, 1e3]])


def head_for(task, width):
    return kind_of(task).head(task, width)


def linear(head, answers):
    """Make the head's linear layer answer so, for the embedding of ones."""
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(answers)
    return head(torch.ones(1, 4))


@pytest.mark.parametrize("task", [EXPRESSION, DIMENSIONS, LEVELS, PERSONALITY])
def test_a_head_starts_a_thousand_times_smaller_than_std_0_02_with_no_bias(task):
    head = head_for(task, 20_000)

    assert head.weight.std().item() == pytest.approx(0.02 * 0.001, rel=0.02)
    assert not head.bias.any()


def test_expression_gives_logits():
    assert linear(head_for(EXPRESSION, 4), FAR[0]).tolist() == FAR.tolist()


def test_dimensions_are_a_tanh_scaled_to_each_range():
    head = head_for(DIMENSIONS, 4)

    assert linear(head, FAR[0]).tolist() == [[-1, 4]]
    assert linear(head, -FAR[0]).tolist() == [[1, 0]]
    torch.testing.assert_close(
        linear(head, torch.tensor([0.3, 0.3])),
        torch.tensor([[1.0, 2.0]]) * torch.tanh(torch.tensor(0.3)) + torch.tensor([[0, 2]]),
    )


def test_personality_is_a_sigmoid():
    head = head_for(PERSONALITY, 4)

    assert linear(head, FAR[0]).tolist() == [[0, 1]]
    torch.testing.assert_close(
        linear(head, torch.tensor([0.3, 0.0])), torch.tensor([[1 / (1 + 2.718281828**-0.3), 0.5]])
    )


@pytest.mark.parametrize("task", [DIMENSIONS, LEVELS])
def test_a_heads_ranges_are_no_weights(task):
    assert list(head_for(task, 4).state_dict()) == ["weight", "bias"]


def test_dimensions_in_levels_give_a_logit_for_each_level_one_dimension_after_the_other():
    logits = linear(head_for(LEVELS, 4), torch.arange(10.0))

    assert logits.tolist() == [[[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]]


def test_levels_are_read_as_their_mean_in_each_dimensions_range():
    head = head_for(LEVELS, 4)
    logits = torch.tensor([[[0, 0, 1.5, 0, 0], [0.3, 0, 0, 0, 2]]])

    shares = logits.exp() / logits.exp().sum(-1, keepdim=True)
    valence = sum(share * value for share, value in zip(shares[0, 0], (-1, -0.5, 0, 0.5, 1), strict=True))
    arousal = sum(share * value for share, value in zip(shares[0, 1], (0, 1, 2, 3, 4), strict=True))

    torch.testing.assert_close(head.read(logits), torch.stack([valence, arousal])[None])


def test_expression_is_read_as_probabilities_and_values_as_they_are():
    answer = torch.tensor([[0.2, 0.9]])

    torch.testing.assert_close(head_for(EXPRESSION, 4).read(answer), answer.exp() / answer.exp().sum())
    assert head_for(DIMENSIONS, 4).read(answer) is answer
    assert head_for(PERSONALITY, 4).read(answer) is answer


def test_side_numbers_start_from_their_mean_and_vary_as_widely_as_labels_do():
    head = head_for(SideTask(kind="units", names=("AU1", "AU12")), 4)
    head.centre(torch.tensor([0.5, 2.0]), torch.tensor([4.0, 0.01]))

    assert linear(head, torch.zeros(2)).tolist() == [[0.5, 2.0]]
    torch.testing.assert_close(linear(head, torch.tensor([1.0, -1.0])), torch.tensor([[2.5, 1.9]]))
    assert {"mean", "spread"} < set(head.state_dict())
