from __future__ import annotations

from functools import partial

import numpy as np
import onnx
from onnx import helper

from service.onnx_runtime import onnxruntime
from service.worker.cpus import available_cpus
from tests.bench.turns import by_turns

# The largest product with weights in a batch of 8 clips of base size.
_ROWS, _INNER, _COLUMNS = 6400, 512, 2048
_REPEATS = 9


def product_rate() -> float:
    """Return how many multiply-accumulate operations a second ONNX Runtime does in one large float32 matrix product.

    A model of this many operations for a clip can hardly be faster than that.
    """
    weights = np.random.default_rng(0).standard_normal((_INNER, _COLUMNS), np.float32)
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["rows", "weights"], ["products"])],
        "product",
        [helper.make_tensor_value_info("rows", kind, (_ROWS, _INNER))],
        [helper.make_tensor_value_info("products", kind, (_ROWS, _COLUMNS))],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cpus()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    rows = np.random.default_rng(1).standard_normal((_ROWS, _INNER), np.float32)
    [seconds] = by_turns([partial(session.run, None, {"rows": rows})], _REPEATS)
    return _ROWS * _INNER * _COLUMNS / seconds
