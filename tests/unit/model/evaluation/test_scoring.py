import shutil

import numpy as np
import pytest

from mien.contract.bundle import Dimension, DimensionsTask
from model.errors import ModelError
from model.evaluation.scores import LEVELS
from model.evaluation.scoring import OnnxScorer, TorchScorer
from model.tpsbt.affect_model import AffectModel


def test_pytorch_and_onnx_runtime_score_alike(affect_model, facts, tasks, bundle):
    clips = np.random.default_rng(0).integers(0, 256, (5, 8, 32, 32, 3), dtype=np.uint8)
    torch_scorer, onnx_scorer = TorchScorer("run", affect_model, facts["clip"], facts["crop"]), OnnxScorer(bundle)

    one, other = torch_scorer(clips), onnx_scorer(clips)

    assert {kind: values.shape for kind, values in one.items()} == {
        "expression": (5, 3),
        "dimensions": (5, 2),
        "personality": (5, 2),
    }
    for kind, values in one.items():
        np.testing.assert_allclose(other[kind], values, atol=1e-4)
    np.testing.assert_allclose(one["expression"].sum(1), 1, atol=1e-5)
    assert torch_scorer.tasks == onnx_scorer.tasks == tasks
    assert (torch_scorer.clip, torch_scorer.crop) == (onnx_scorer.clip, onnx_scorer.crop)
    assert onnx_scorer.name == "micro 1.2.3"


def test_a_model_of_levels_gives_their_probabilities_too(micro, facts):
    task = DimensionsTask(dimensions=(Dimension(name="valence"), Dimension(name="arousal")), levels=5)
    scorer = TorchScorer("run", AffectModel(micro, [task]), facts["clip"], facts["crop"])

    outputs = scorer(np.zeros((2, 8, 32, 32, 3), np.uint8))

    levels = outputs[LEVELS].reshape(2, 2, 5)
    np.testing.assert_allclose(levels.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(levels @ np.linspace(-1, 1, 5), outputs["dimensions"], atol=1e-5)


def test_a_folder_without_a_bundle_is_refused_by_name(tmp_path):
    with pytest.raises(ModelError, match=r"manifest\.json cannot be read"):
        OnnxScorer(tmp_path)


def test_a_bundle_that_was_changed_is_refused(bundle, tmp_path):
    changed = shutil.copytree(bundle, tmp_path / "changed")
    (changed / "MODEL_CARD.md").write_text("A better one.")

    with pytest.raises(ModelError, match="sha256 differs"):
        OnnxScorer(changed)
