import pytest

from mien.contract.bundle import Manifest, Parity, Training
from model.bundle.card import model_card


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


def test_evaluations_replace_the_scores_of_the_manifest(manifest):
    card = model_card(manifest, evaluations="### faces, part validation")

    assert "### faces, part validation" in card
    assert "UAR: 0.5" not in card
