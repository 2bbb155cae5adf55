import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from model.default_bundle import export_default
from service.contract.bundle import read_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "default"
    export_default(folder, seed=0)
    return folder


def test_the_default_bundle_is_untrained_and_says_so(folder):
    manifest, _ = read_bundle(folder)

    assert (manifest.name, manifest.version, manifest.licence) == ("mien-default", "0.1.0", "MIT")
    assert not manifest.training.trained
    assert "The scores mean nothing until the model is trained." in (folder / "MODEL_CARD.md").read_text()


def test_the_default_bundle_has_all_three_tasks(folder):
    expression, dimensions, personality = read_bundle(folder)[0].tasks

    assert set(expression.labels) == {"happiness", "sadness", "anger", "surprise", "disgust", "fear", "neutral"}
    assert [(part.name, part.minimum, part.maximum) for part in dimensions.dimensions] == [
        ("valence", -1, 1),
        ("arousal", -1, 1),
    ]
    assert len(personality.traits) == 5


def test_the_default_bundle_is_small_enough_for_the_repository(folder):
    assert sum(file.stat().st_size for file in folder.iterdir()) < 25e6


def test_positions_were_computed_at_export(folder):
    assert not {"Sin", "Cos"} & {node.op_type for node in onnx.load(folder / "model.onnx").graph.node}


def test_an_untrained_model_answers_nearly_alike_for_everything(folder):
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    clips = np.random.default_rng(0).integers(0, 256, (2, *read_bundle(folder)[0].input.shape), dtype=np.uint8)

    probabilities, dimensions, personality, _ = session.run(None, {"clip": clips})

    np.testing.assert_allclose(probabilities, 1 / 7, atol=1e-3)
    np.testing.assert_allclose(dimensions, 0, atol=1e-2)
    np.testing.assert_allclose(personality, 0.5, atol=1e-3)


def test_making_it_leaves_the_callers_random_numbers_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("model.default_bundle.export_bundle", lambda perceiver, *_, **__: perceiver)
    before = torch.random.get_rng_state()

    one, same, other = (export_default(tmp_path, seed) for seed in (1, 1, 2))

    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.heads.expression.weight, same.heads.expression.weight)
    assert not torch.equal(one.heads.expression.weight, other.heads.expression.weight)
