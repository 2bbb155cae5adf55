"""Single-task bundles, exported from models, give the same scores served together as each alone."""

from __future__ import annotations

import threading

import pytest
import torch

from mien.contract.bundle import ClipInput, Dimension, DimensionsTask, ExpressionTask, FaceCrop, Training
from mien.contract.options import AnalyzeOptions
from model.bundle.write import export_bundle
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.normalise import IMAGENET_MEAN, IMAGENET_STD
from model.tpsbt.zoo import Size
from service.worker.batcher import Batcher
from service.worker.onnx_model import open_models
from service.worker.pipeline import Analyzed, DecodeSettings, Pipeline
from service.worker.sandbox import Sandbox
from tests.videos import face_video

EXPRESSION = ExpressionTask(labels=("happiness", "neutral", "calm"))
AROUSAL = DimensionsTask(
    dimensions=(Dimension(name="arousal", minimum=0, maximum=4), Dimension(name="valence")), levels=5
)

# A face is followed at the instants of both: its box is the steadier, and the crops are not the same to the pixel.
CLOSE = 5e-3


def write(folder, task, **inputs):
    torch.manual_seed(0)
    affect_model = AffectModel(Size(width=32, heads=2, depths=(1, 1, 1)), [task])
    for head in affect_model.heads.values():
        torch.nn.init.normal_(head.weight, std=0.3)
    margin, hop_s = inputs.pop("margin"), inputs.pop("hop_s")
    export_bundle(
        affect_model,
        folder,
        name=task.kind,
        version="1.0",
        clip=ClipInput(mean=IMAGENET_MEAN, std=IMAGENET_STD, **inputs),
        crop=FaceCrop(margin=margin),
        hop_s=hop_s,
        training=Training(trained=True, data="Nothing."),
        licence="MIT",
        intended_use="Testing.",
    )
    return folder


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What each bundle answers alone, and what both do together."""
    folder = tmp_path_factory.mktemp("join")
    video = face_video(folder / "face.mp4")
    one = write(folder / "one", EXPRESSION, frames=8, interval_s=0.08, size=32, margin=0.1, hop_s=0.3)
    two = write(folder / "two", AROUSAL, frames=16, interval_s=0.05, size=48, margin=0.3, hop_s=0.4)
    Sandbox(30).start()

    def analyze(*bundles):
        models = open_models(bundles, ["cpu"])
        batcher = Batcher(models, 0.002, lambda *_: None, pytest.fail)
        try:
            pipeline = Pipeline(models, Sandbox(30), batcher, DecodeSettings())
            *_, last = pipeline.analyze("job", video, AnalyzeOptions(), threading.Event())
        finally:
            batcher.close()
        assert isinstance(last, Analyzed)
        [face] = last.findings.faces
        return last.findings, face

    return analyze(one), analyze(two), analyze(one, two)


def test_the_answer_has_the_verdict_of_each_bundle(answers):
    (_, expression), (_, dimensions), (_, both) = answers

    assert both.expression.scores == pytest.approx(expression.expression.scores, abs=CLOSE)
    # Beside another bundle's frames the face is looked for at other moments, and its box differs by a pixel or so.
    assert (both.arousal, both.valence) == pytest.approx((dimensions.arousal, dimensions.valence), abs=4 * CLOSE)
    assert "expression" not in dimensions.model_fields_set
    assert 0.01 < abs(both.arousal) < 1  # of the classes' mean in [0, 4], brought to [-1, 1]


def test_the_timeline_has_the_windows_of_each_bundle_in_order(answers):
    (_, expression), (_, dimensions), (_, both) = answers

    def times(face, *fields):
        return [(w.start_s, w.end_s) for w in face.timeline if w.model_fields_set.issuperset(fields)]

    assert times(both, "expression") == times(expression)
    assert times(both, "arousal", "valence") == times(dimensions)
    assert times(both) == sorted(times(expression) + times(dimensions))
    assert len(times(expression)) != len(times(dimensions))


def test_the_answer_names_both_models_and_one_face_on_one_path(answers):
    (_, expression), _, (findings, both) = answers

    assert [(model.name, model.tasks) for model in findings.models] == [
        ("expression", ["expression"]),
        ("dimensions", ["dimensions"]),
    ]
    assert (both.start_s, both.end_s) == (expression.start_s, expression.end_s)
    assert findings.warnings == []
