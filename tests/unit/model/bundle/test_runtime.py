import torch

from model.bundle.graph import Graph, write_graph
from model.bundle.runtime import open_graph


def test_a_graph_is_run_by_as_many_threads_as_pytorch_has(affect_model, facts, tmp_path, monkeypatch):
    write_graph(Graph(affect_model, facts["clip"]), tmp_path / "model.onnx")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert open_graph(tmp_path / "model.onnx").get_session_options().intra_op_num_threads == 3
