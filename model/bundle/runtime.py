"""Open ONNX files with ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path

import torch

from service.onnx_runtime import onnxruntime


def open_graph(path: Path) -> onnxruntime.InferenceSession:
    """Open an ONNX file with as many threads as PyTorch uses.

    By default ONNX Runtime starts one for each of the host's processors, even in a container that may use fewer.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, sess_options=options, providers=["CPUExecutionProvider"])
