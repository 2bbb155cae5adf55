"""ONNX Runtime for models that were made here, on the CPU."""

from __future__ import annotations

from pathlib import Path

import torch

from service.onnx_runtime import onnxruntime


def open_graph(path: Path) -> onnxruntime.InferenceSession:
    """Open an ONNX file, to be run by as many threads as PyTorch has.

    ONNX Runtime by itself takes one for each of the host's processors, however few of them a container may use.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, sess_options=options, providers=["CPUExecutionProvider"])
