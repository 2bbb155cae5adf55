import torch

from model.bundle.runtime import open_graph


def test_a_graph_is_run_by_as_many_threads_as_pytorch_has(bundle, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert open_graph(bundle / "model.onnx").get_session_options().intra_op_num_threads == 3
