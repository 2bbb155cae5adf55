from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from model.bundle import variants
from model.bundle.graph import Graph, write_graph
from model.bundle.parity_clips import ParityClips
from model.bundle.runtime import open_graph
from model.bundle.variants import VariantRefused, compare, write_variant
from model.tpsbt.affect_model import AffectModel


@pytest.fixture(scope="module")
def clip(facts):
    return facts["clip"]


@pytest.fixture(scope="module")
def graph(bundle):
    return bundle / "model.onnx"


@pytest.fixture(scope="module")
def files(graph, tmp_path_factory):
    folder = tmp_path_factory.mktemp("variants")
    made = {precision: folder / f"model.{precision}.onnx" for precision in ("int8", "float16")}
    for precision, path in made.items():
        write_variant(graph, precision, path)
    return made


def operators(path):
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def clips(clip, batches=3):
    random = np.random.default_rng(0)
    return ParityClips("noise", [random.integers(0, 256, (4, *clip.shape), np.uint8) for _ in range(batches)])


def test_variants_have_attention_as_one_operator(graph, files):
    pooling = 3  # softmaxes that pool tokens, one a stage
    attentions = operators(graph)["Softmax"] - pooling

    for path in files.values():
        assert (operators(path)["MultiHeadAttention"], operators(path)["Softmax"]) == (attentions, pooling)


def test_in_int8_the_matrix_products_with_weights_are_quantised_but_for_the_last_stage(graph, files):
    model = onnx.load(files["int8"])
    constants = {each.name for each in model.graph.initializer}
    float32 = [node.name for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in constants]
    last = [each.name for each in onnx.load(graph).graph.initializer if "encoder.stages.2." in each.name]

    linear = [name for name in last if name.endswith(".weight") and "norm" not in name and "pyramid" not in name]
    assert len(float32) == len(linear) > 10
    assert operators(files["int8"])["MatMulInteger"] > 20


@pytest.mark.parametrize("precision", ["int8", "float16"])
def test_a_variant_has_the_graphs_inputs_and_outputs(graph, files, precision):
    def described(path):
        session = open_graph(path)
        return [(one.name, one.type) for one in (*session.get_inputs(), *session.get_outputs())]

    assert described(files[precision]) == described(graph)


def test_variants_are_compared_with_the_graph_on_each_clip(graph, files, clip, tasks, monkeypatch):
    monkeypatch.setattr(variants, "VARIANT_TOLERANCE", 1)  # how far int8 is depends on the processor

    int8, float16 = compare(graph, files, clip.name, tasks, clips(clip))

    assert (int8.precision, int8.graph, float16.graph) == ("int8", "model.int8.onnx", "model.float16.onnx")
    assert (int8.parity.clips, int8.parity.data) == (12, "noise")
    assert 0 < int8.parity.max_abs_difference < 0.1
    assert 0 < float16.parity.max_abs_difference < 0.01


def test_the_same_graph_differs_by_nothing(graph, clip, tasks):
    [variant] = compare(graph, {"int8": graph}, clip.name, tasks, clips(clip))

    assert (variant.parity.max_abs_difference, variant.parity.same_label) == (0, 1)


def test_a_variant_of_another_model_is_refused(graph, clip, tasks, micro, tmp_path):
    torch.manual_seed(1)
    other = AffectModel(micro, tasks)
    for head in other.heads.values():
        torch.nn.init.normal_(head.weight, std=0.1)
    write_graph(Graph(other, clip), tmp_path / "other.onnx")

    with pytest.raises(VariantRefused, match=r"In int8 .* on 12 clips of noise.* leave out --int8"):
        compare(graph, {"int8": tmp_path / "other.onnx"}, clip.name, tasks, clips(clip))


@dataclass
class Stub:
    """A session with known outputs: expression, dimensions in [-1, 1] and [0, 5], personality."""

    expression: tuple[float, ...] = (0.41, 0.4, 0.19)
    dimensions: tuple[float, ...] = (0, 0)
    other_label_after: int | None = None
    runs: int = 0

    def run(self, _names, inputs):
        (batch,) = inputs.values()
        self.runs += 1
        expression = np.tile(np.array(self.expression, np.float32), (len(batch), 1))
        if self.other_label_after is not None and self.runs > self.other_label_after:
            expression = expression[:, [1, 0, 2]]
        return [
            expression,
            np.tile(np.array(self.dimensions, np.float32), (len(batch), 1)),
            np.zeros((len(batch), 2), np.float32),
        ]


@pytest.mark.parametrize(
    ("variant", "refused"),
    [
        (Stub(expression=(0.4195, 0.3905, 0.19)), False),
        (Stub(expression=(0.4205, 0.3895, 0.19)), True),
        (Stub(dimensions=(0.019, 0.049)), False),
        (Stub(dimensions=(0.021, 0)), True),
        (Stub(dimensions=(0, 0.051)), True),
        (Stub(dimensions=(float("nan"), 0)), True),
        (Stub(expression=(0.41, 0.405, 0.185), other_label_after=49), True),
        (Stub(expression=(0.405, 0.405, 0.19)), False),
    ],
    ids=["close", "far", "close dimensions", "valence", "arousal", "nan", "labels", "tie"],
)
def test_a_variant_may_differ_by_a_hundredth_of_a_range_and_in_the_label_of_one_clip_of_200(
    variant, refused, clip, tasks, monkeypatch
):
    sessions = {"model.onnx": Stub(), "variant.onnx": variant}
    monkeypatch.setattr("model.bundle.variants.open_graph", lambda path: sessions[path.name])
    batches = ParityClips("zeros", [np.zeros((4, 1), np.uint8)] * 50)

    def compared():
        return compare(Path("model.onnx"), {"int8": Path("variant.onnx")}, clip.name, tasks, batches)

    if refused:
        with pytest.raises(VariantRefused):
            compared()
    else:
        compared()
