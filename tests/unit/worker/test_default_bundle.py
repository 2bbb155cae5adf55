"""The bundle that comes with Mien."""

import numpy as np
import onnx
import pytest

from mien.contract.bundle import read_bundle
from service.worker.onnx_model import open_models
from service.worker.settings import DEFAULT_BUNDLE


@pytest.fixture(scope="module")
def manifest():
    return read_bundle(DEFAULT_BUNDLE)[0]


def test_it_is_trained_and_says_on_what_and_how_well(manifest):
    assert manifest.training.trained
    assert "FER+" in manifest.training.data
    assert "rendered" in manifest.training.data
    scores = manifest.training.scores
    real = {"ferplus expression UAR", "ferplus expression WAR", "pictures expression WAR"}
    rendered = {f"rendered {score}" for score in ("expression UAR", "dimensions CCC valence", "personality CCC")}
    assert real | rendered <= scores.keys()
    assert scores["expression ECE calibrated (validation)"] <= scores["expression ECE (validation)"]


def test_it_has_all_three_tasks(manifest):
    expression, dimensions, personality = manifest.tasks
    assert set(expression.labels) == {"happiness", "sadness", "anger", "surprise", "disgust", "fear", "neutral"}
    assert [part.name for part in dimensions.dimensions] == ["valence", "arousal"]
    assert len(personality.traits) == 5


def test_a_smile_of_a_second_fits_between_its_windows(manifest):
    assert manifest.input.frames * manifest.input.interval_s < 1
    assert manifest.hop_s <= 0.25


def test_it_is_small_enough_for_the_repository():
    assert sum(file.stat().st_size for file in DEFAULT_BUNDLE.iterdir()) < 25e6


def test_positions_were_computed_at_export():
    assert not {"Sin", "Cos"} & {node.op_type for node in onnx.load(DEFAULT_BUNDLE / "model.onnx").graph.node}


def test_its_card_says_what_it_must_not_be_used_for():
    card = (DEFAULT_BUNDLE / "MODEL_CARD.md").read_text(encoding="utf-8")
    for words in (
        "The people in these pictures were not asked",
        "Decisions about people",
        "Article 5(1)(f)",
        "Article 50(3)",
        "mien-model import",
    ):
        assert words in card


def test_it_answers_differently_for_different_clips(manifest):
    [model] = open_models((DEFAULT_BUNDLE,), ["cpu"])
    clips = np.random.default_rng(0).integers(0, 256, (2, *manifest.input.shape), np.uint8)
    clips[1] //= 4

    dark, light = (row["dimensions"] for row in model.run(clips))

    assert np.abs(dark - light).max() > 1e-3
