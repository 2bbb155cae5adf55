import pytest

from mien.contract.bundle import Manifest, Parity, Training
from model.bundle.card import model_card
from model.evaluation.report import Confusion, EvaluationReport, PartScores


@pytest.fixture
def manifest(facts, tasks):
    rest = {key: value for key, value in facts.items() if key != "clip"}
    parity = Parity(max_abs_difference=0, batch_sizes=(1,))
    return Manifest(**rest, input=facts["clip"], tasks=tasks, parity=parity, files={"model.onnx": "0"})


def test_a_card_says_what_the_manifest_says(manifest):
    card = model_card(manifest)

    for fact in (
        "# micro 1.2.3",
        "happiness, sadness, neutral",
        "valence in [-1, 1], arousal in [0, 5]",
        "openness, extraversion",
        "8 RGB frames, 0.1 s apart",
        "30% of its longer side",
        "32 by 32 pixels",
        "Two clips.",
        "UAR: 0.5",
        "Testing.",
        "must not be used for",
    ):
        assert fact in card


def test_only_an_untrained_models_card_says_that_its_scores_mean_nothing(manifest):
    untrained = manifest.model_copy(update={"training": Training(trained=False, data="Nothing.")})

    assert "The scores mean nothing" in model_card(untrained)
    assert "It has not been measured." in model_card(untrained)
    assert "mean nothing" not in model_card(manifest)


def test_reports_are_told_one_by_one_with_what_was_taken_for_what(manifest):
    labels = ("happiness", "sadness", "neutral")
    faces = EvaluationReport(
        data="faces",
        views=4,
        warnings=("No face in 3 of 13 clips.",),
        parts=(PartScores(part="validation", model="micro", clips=10, scores={"expression": {"UAR": 0.625}}),),
        pooled={"expression": {"UAR": 0.625}},
        confusion=Confusion(labels=labels, counts=((3, 1, 0), (2, 4, 0), (0, 0, 0))),
    )
    heads = faces.model_copy(update={"data": "heads", "pooled": {"dimensions": {"CCC": 0.75}}, "confusion": None})

    card = model_card(manifest, reports=[faces, heads])

    assert card.index("### faces, part validation (10 clips)") < card.index("### heads, part validation")
    assert "No face in 3 of 13 clips." in card
    assert "| UAR | 0.6250 |" in card
    assert "| CCC | 0.7500 |" in card
    assert "| happiness | 0.75 | 0.25 | 0.00 | 4 |" in card
    assert "| neutral |  |  |  | 0 |" in card
