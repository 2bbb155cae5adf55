"""Training that goes on from a bundle has the bundle's encoder."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from mien.contract.bundle import ClipInput, ExpressionTask, FaceCrop, Training
from model.bundle import write
from model.bundle.read_back import encoder_of, settle_norms
from model.errors import ModelError
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.encoder import Encoder
from model.tpsbt.normalise import IMAGENET_MEAN, IMAGENET_STD
from model.tpsbt.zoo import ZOO, Size
from model.train import checkpoint

DEFAULT = Path(__file__).resolve().parents[4] / "service/worker/bundles/default"
SIZES = {
    "stem": Size(width=64, heads=1, depths=(1, 2, 2), bottleneck_tokens=(3, 2), stem=(8, 8, 16, 16), stem_blocks=2),
    "paper": Size(width=64, heads=1, depths=(1, 2, 2), bottleneck_hidden=16),
    "plain": Size(width=64, heads=1, depths=(2, 0, 0), stem=(8, 8, 16, 16), stem_blocks=1, heads_by_place=True),
}


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """Export a model of a size with random weights and used batch norms; return it and its bundle."""
    monkeypatch.setattr(write, "BATCH_SIZES", (1,))

    def export(size):
        torch.manual_seed(1)
        clip = ClipInput(frames=8, size=32, interval_s=0.08, mean=IMAGENET_MEAN, std=IMAGENET_STD)
        model = AffectModel(size, [ExpressionTask(labels=("happiness", "sadness"))], clip=(8, 32))
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.2)
        with torch.no_grad():
            for _ in range(20):
                model.train()(torch.randn(4, 3, 8, 32, 32))
        write.export_bundle(
            model,
            tmp_path / "bundle",
            name="made",
            version="1.2.3",
            clip=clip,
            crop=FaceCrop(margin=0.1),
            hop_s=0.3,
            training=Training(trained=True, data="noise"),
            licence="MIT",
            intended_use="Tests.",
        )
        return model.eval(), tmp_path / "bundle"

    return export


def filled(state):
    encoder = Encoder(checkpoint.size_of(state)).eval()
    checkpoint.start_encoder(encoder, state, Path("bundle"))
    return encoder


@pytest.mark.parametrize("name", SIZES)
def test_the_encoder_that_was_exported_comes_back(exported, monkeypatch, name):
    monkeypatch.setitem(ZOO, "micro", SIZES[name])
    model, bundle = exported(SIZES[name])

    state = encoder_of(bundle)

    assert checkpoint.size_of(state) == SIZES[name]
    assert state["about"]["data"] == ["the data of made 1.2.3, whose encoder it started from"]
    clips = torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        for ours, theirs in zip(filled(state)(clips), model.encoder(clips), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_batch_norms_with_statistics_again_compute_the_same_in_training_too(exported, monkeypatch):
    monkeypatch.setitem(ZOO, "micro", SIZES["stem"])
    model, bundle = exported(SIZES["stem"])
    clips = torch.randn(4, 3, 8, 32, 32)
    encoder = filled(encoder_of(bundle))

    with torch.no_grad():
        expected = model.encoder(clips)[-1]
        off = (encoder.train()(clips)[-1] - expected).abs().max()
        encoder = filled(encoder_of(bundle))
        settle_norms(encoder, clips)
        torch.testing.assert_close(encoder(clips)[-1], expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(encoder.train()(clips)[-1], expected, atol=1e-3, rtol=1e-3)
    assert off > 0.01


def test_the_default_bundles_encoder_can_be_read(tmp_path):
    assert checkpoint.size_of(encoder_of(DEFAULT)) == ZOO["tiny"]


def test_what_cannot_be_read_is_refused(exported, tmp_path):
    _, bundle = exported(SIZES["paper"])  # of no size in the zoo

    with pytest.raises(ModelError, match="cannot be read back from its graph: start from the checkpoint"):
        encoder_of(bundle)

    shutil.rmtree(bundle)
    with pytest.raises(ModelError, match=r"is no bundle to start from: .*manifest\.json cannot be read"):
        encoder_of(bundle)
