"""Open and optimise ONNX files with ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from service.onnx_runtime import onnxruntime


def open_graph(path: Path) -> onnxruntime.InferenceSession:
    """Open an ONNX file with as many threads as PyTorch uses.

    By default ONNX Runtime starts one for each of the host's processors, even in a container that may use fewer.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, sess_options=options, providers=["CPUExecutionProvider"])


def folded(path: Path, scratch: Path) -> onnx.ModelProto:
    """Return the graph of a file with all that is constant computed, as ONNX Runtime does before it runs it.

    Args:
        path: the file.
        scratch: where ONNX Runtime may write the graph.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(scratch)
    options.log_severity_level = 3  # it warns of each constant that it removes
    onnxruntime.InferenceSession(path, sess_options=options, providers=["CPUExecutionProvider"])
    return onnx.load(scratch)
