"""The table against what the paper and the owners publish."""

import pytest

from model.data.layouts.plain import settle_csv
from model.data.prepared import ClipRow
from model.data.registry import DATASETS
from model.errors import ModelError

PUBLISHED = {  # labels or columns in order, stride
    "dfew": ("happiness sadness neutral anger surprise disgust fear", 4),
    "ferv39k": ("happiness sadness neutral anger surprise disgust fear", 1),
    "mafw": (
        "anger disgust fear happiness neutral sadness surprise contempt anxiety helplessness disappointment",
        4,
    ),
    "crema-d": ("anger disgust fear happiness neutral sadness", 2),
    "ravdess": ("neutral calm happiness sadness anger fear disgust surprise", 2),
    "enterface05": ("anger disgust fear happiness sadness surprise", 2),
    "werewolf-xl": ("arousal valence dominance", 3),
    "avcaffe": ("arousal valence", 4),
    "chalearn": ("openness conscientiousness extraversion agreeableness neuroticism", 6),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_labels_and_strides_are_those_of_the_paper(name):
    row = DATASETS[name]
    (task,) = row.tasks

    assert (" ".join(task.names), row.stride) == PUBLISHED[name]


def test_counts_are_those_of_the_paper():
    assert sum(DATASETS["dfew"].clips.values()) == 11_697
    assert sum(DATASETS["crema-d"].subjects.values()) == 91
    assert sum(DATASETS["ravdess"].subjects.values()) == 24
    assert DATASETS["ravdess"].total == 4 * 360


def test_unpublished_strides_are_marked_as_choices():
    chosen = {name for name, row in DATASETS.items() if "stride is our choice" in row.choice}

    assert chosen == {"crema-d", "ravdess", "enterface05", "avcaffe", "chalearn"}


def test_sampling_is_in_seconds():
    assert DATASETS["voxceleb2"].interval_s == pytest.approx(0.16)
    assert DATASETS["avcaffe"].tasks[0].levels == 5


def row(**about):
    return ClipRow(**{"id": "a", "media": "a.mp4", "part": "train"} | about)


def test_the_tasks_of_ones_own_table_are_those_of_its_columns():
    rows = [row(expression="pain"), row(expression="neutral"), row(expression="happiness", part="test"), row(arousal=0)]

    settled = settle_csv(DATASETS["csv"], rows)

    expression, dimensions = settled.tasks
    assert expression.labels == ("happiness", "neutral", "pain")
    assert [dimension.name for dimension in dimensions.dimensions] == ["arousal"]
    assert (settled.protocol, settled.parts) == ("fixed", ("train", "test"))


def test_other_parts_are_folds():
    settled = settle_csv(DATASETS["csv"], [row(part="b"), row(part="a")])

    assert (settled.protocol, settled.parts, settled.tasks) == ("folds", ("a", "b"), ())


def test_one_expression_alone_is_refused():
    with pytest.raises(ModelError, match="only the expression 'joy'"):
        settle_csv(DATASETS["csv"], [row(expression="joy")])
