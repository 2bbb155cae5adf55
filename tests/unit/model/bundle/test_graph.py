import copy
from collections import Counter

import numpy as np
import onnx
import pytest
import torch

from mien.contract.bundle import Dimension, DimensionsTask
from model.bundle.graph import Graph, difference, write_graph
from model.bundle.runtime import open_graph
from model.tpsbt.affect_model import AffectModel
from service.onnx_runtime import onnxruntime


@pytest.fixture(scope="module")
def clip(facts):
    return facts["clip"]


@pytest.fixture(scope="module")
def written(affect_model, clip, tmp_path_factory):
    graph = Graph(affect_model, clip)
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_graph(graph, path)
    return graph, path


def pixels(batch):
    return np.random.default_rng(1).integers(0, 256, (batch, 8, 32, 32, 3), dtype=np.uint8)


def test_the_graph_normalises_pixels_by_the_manifests_mean_and_std(affect_model, clip):
    clips = pixels(2)
    normal = (clips / 255 - np.array(clip.mean)) / np.array(clip.std)

    expected = affect_model(torch.from_numpy(normal.transpose(0, 4, 1, 2, 3)).float())

    probabilities, dimensions, personality, embedding = Graph(affect_model, clip)(torch.from_numpy(clips))
    torch.testing.assert_close(embedding, expected.embedding)
    torch.testing.assert_close(probabilities, expected.outputs["expression"].softmax(1))
    torch.testing.assert_close(dimensions, expected.outputs["dimensions"])
    torch.testing.assert_close(personality, expected.outputs["personality"])


def test_dimensions_in_levels_leave_the_file_as_values_in_their_range(micro, clip, tmp_path):
    task = DimensionsTask(
        dimensions=(Dimension(name="valence"), Dimension(name="arousal", minimum=0, maximum=3)), levels=4
    )
    model = AffectModel(micro, [task])
    with torch.no_grad():
        model.heads["dimensions"].bias.copy_(torch.tensor([0, 0, 0, 1e3, 0, 0, 1e3, 1e3]))
    write_graph(Graph(model, clip), tmp_path / "model.onnx")

    values, _ = open_graph(tmp_path / "model.onnx").run(None, {"clip": pixels(3)})

    np.testing.assert_allclose(values, [[1, 2.5]] * 3, atol=1e-3)


def test_a_graph_leaves_its_model_in_training(affect_model, clip):
    model = copy.deepcopy(affect_model).train()

    assert not Graph(model, clip).model.training
    assert model.training


def test_the_file_takes_uint8_clips_in_any_batch_and_names_its_outputs(written):
    _, path = written
    session = open_graph(path)

    (taken,) = session.get_inputs()
    given = session.get_outputs()

    assert (taken.name, taken.type, taken.shape) == ("clip", "tensor(uint8)", ["B", 8, 32, 32, 3])
    assert [(out.name, out.type, out.shape) for out in given] == [
        ("expression", "tensor(float)", ["B", 3]),
        ("dimensions", "tensor(float)", ["B", 2]),
        ("personality", "tensor(float)", ["B", 2]),
        ("embedding", "tensor(float)", ["B", 32]),
    ]
    for batch in (1, 3, 5):
        assert [len(out) for out in session.run(None, {"clip": pixels(batch)})] == [batch] * 4


def test_the_files_answers_keep_to_the_documented_ranges(written):
    _, path = written

    probabilities, dimensions, personality, _ = open_graph(path).run(None, {"clip": pixels(6)})

    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert probabilities.min() >= 0
    assert (dimensions >= [-1, 0]).all()
    assert (dimensions <= [1, 5]).all()
    assert personality.min() >= 0
    assert personality.max() <= 1
    assert np.ptp(probabilities, axis=0).max() > 1e-3  # they do depend on the clip


def test_all_layers_but_the_tubelets_embedding_are_matrix_products(written):
    _, path = written

    operators = [node.op_type for node in onnx.load(path).graph.node]

    assert operators.count("Conv") == 1
    assert operators.count("MatMul") > 20


def test_onnx_runtime_fuses_every_gelu_and_every_scaling_of_scores(written, micro, tmp_path):
    _, path = written
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")

    onnxruntime.InferenceSession(path, sess_options=options, providers=["CPUExecutionProvider"])

    operators = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    blocks, bottlenecks, crossings = sum(micro.depths), 2, sum(micro.depths[1:])
    assert operators["Gelu"] + operators["BiasGelu"] == blocks + bottlenecks
    assert operators["FusedMatMul"] >= blocks + crossings
    assert (operators["Erf"], operators["Slice"]) == (0, 0)


def test_pytorch_and_onnx_runtime_agree(written):
    assert difference(*written, batch_sizes=(1, 2, 3)) < 1e-4


def test_a_file_of_other_weights_differs(written):
    graph, path = copy.deepcopy(written)
    with torch.no_grad():
        graph.model.heads["personality"].bias[1] += 1

    assert difference(graph, path, batch_sizes=(1,)) > 0.1


def test_an_answer_that_is_no_number_is_a_difference_that_is_no_number(written):
    graph, path = copy.deepcopy(written)
    with torch.no_grad():
        graph.model.heads["personality"].bias[1] = torch.nan

    assert np.isnan(difference(graph, path, batch_sizes=(1, 2)))


def test_the_same_model_gives_the_same_bytes(written, tmp_path):
    graph, path = written

    write_graph(graph, tmp_path / "again.onnx")

    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()


def test_the_file_tells_nothing_of_the_machine_it_was_made_on(written):
    _, path = written
    model = onnx.load(path)

    assert not [node for node in model.graph.node if node.metadata_props or node.doc_string]
    assert b".py" not in path.read_bytes()
    assert {opset.version for opset in model.opset_import} == {18}
