"""Training that starts from a bundle has the bundle's encoder."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from model.bundle.graph import Graph, write_graph
from model.bundle.read_back import SIZE, encoder_of, read_start
from model.bundle.runtime import open_graph
from model.errors import ModelError
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.blocks import NORM_EPS
from model.tpsbt.encoder import Encoder
from model.tpsbt.normalise import normalise
from model.tpsbt.zoo import Size
from model.train import checkpoint
from tests.bundles import write_bundle

DEFAULT = Path(__file__).resolve().parents[4] / "service/worker/bundles/default"


@pytest.fixture
def changed(bundle, tmp_path):
    """Return the bundle again after a change of its graph."""

    def change(how=lambda graph: None):
        graph = onnx.load(bundle / "model.onnx")
        how(graph)
        return write_bundle(tmp_path / "bundle", name="made", graph=graph)

    return change


def filled(state):
    encoder = Encoder(checkpoint.size_of(state)).eval()
    checkpoint.start_encoder(encoder, state, Path("the bundle"))
    return encoder


def same(encoder, state):
    for name, value in encoder.state_dict().items():
        assert torch.equal(state["model"][f"encoder.{name}"], value), name
    return len(encoder.state_dict()) == len(state["model"])


def test_weights_come_back_under_their_names_though_many_are_equal(bundle, affect_model, micro):
    state = encoder_of(bundle)  # untrained: norms are ones, and biases zeros

    assert checkpoint.size_of(state) == micro
    assert same(affect_model.encoder, state)


def test_batch_norms_come_back_with_their_statistics(facts, tasks, tmp_path):
    size = Size(64, 1, (2, 0, 0), stem=(8, 8, 16, 16), stem_blocks=1, heads_by_place=True)
    model = AffectModel(size, tasks, clip=(8, 32)).eval()
    for values in (*model.parameters(), *model.buffers()):
        if values.is_floating_point():
            nn.init.uniform_(values, 0.5, 1)
    write_graph(Graph(model, facts["clip"]), tmp_path / "model.onnx")

    state = encoder_of(write_bundle(tmp_path / "bundle", graph=onnx.load(tmp_path / "model.onnx")))

    assert checkpoint.size_of(state) == size
    assert same(model.encoder, state)


def test_the_default_bundles_encoder_gives_its_embedding():
    clips = np.random.default_rng(0).integers(0, 256, (2, 8, 112, 112, 3), dtype=np.uint8)
    (expected,) = open_graph(DEFAULT / "model.onnx").run(["embedding"], {"clip": clips})
    norm = {each.name: numpy_helper.to_array(each) for each in onnx.load(DEFAULT / "model.onnx").graph.initializer}

    with torch.inference_mode():
        *_, last = filled(encoder_of(DEFAULT))(normalise(torch.from_numpy(clips).permute(0, 4, 1, 2, 3) / 255))

    found = functional.layer_norm(
        last.mean(dim=(1, 2)),
        last.shape[-1:],
        *(torch.from_numpy(norm[f"model.norm.{part}"].copy()) for part in ("weight", "bias")),
        eps=NORM_EPS,
    )
    np.testing.assert_allclose(found, expected, atol=5e-6)


def test_what_is_read_says_where_it_comes_from(changed):
    assert encoder_of(changed())["about"]["data"] == [
        "the data of made 1.0, whose encoder it started from",
    ]


def test_a_graph_without_names_is_refused(changed):
    def forget(graph):
        del graph.metadata_props[:]

    with pytest.raises(ModelError, match=r"does not name its weights.* export it again, or start from the checkpoint"):
        encoder_of(changed(forget))


def test_a_weight_under_another_name_is_named_when_training_starts(changed, micro):
    def rename(graph):
        weight = next(each for each in graph.graph.initializer if each.name.endswith("stages.0.blocks.0.attn.v_bias"))
        for node in graph.graph.node:
            node.input[:] = ["val_7" if name == weight.name else name for name in node.input]
        weight.name = "val_7"

    bundle = changed(rename)

    with pytest.raises(ModelError, match=r"another model: it lacks stages\.0\.blocks\.0\.attn\.v_bias\."):
        checkpoint.start_encoder(Encoder(micro), encoder_of(bundle), bundle)


def test_a_size_that_is_not_the_weights_is_refused(changed):
    def widen(graph):
        (size,) = (entry for entry in graph.metadata_props if entry.key == SIZE)
        size.value = json.dumps(json.loads(size.value) | {"width": 64})

    bundle = changed(widen)

    state = encoder_of(bundle)
    with pytest.raises(ModelError, match=r"another model: stages.* is .* there and .* here"):
        checkpoint.start_encoder(Encoder(checkpoint.size_of(state)), state, bundle)


def test_a_start_is_a_checkpoint_or_a_bundle(changed, tmp_path):
    bundle = changed()
    checkpoint.save(tmp_path / "kept.pt", encoder_of(bundle))

    assert read_start(tmp_path / "kept.pt")["model"].keys() == read_start(bundle)["model"].keys()

    shutil.rmtree(bundle)
    bundle.mkdir()
    with pytest.raises(ModelError, match=r"is no bundle to start from: .*manifest\.json"):
        read_start(bundle)
