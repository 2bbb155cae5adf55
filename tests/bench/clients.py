from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mien.client import Mien
from service.worker.onnx_model import OnnxModel
from tests.bench.figures import Figure
from tests.bench.turns import by_turns
from tests.bundles import EXPRESSION, write_bundle
from tests.processes import gateway, private_redis, worker
from tests.videos import face_video

_CLIENTS = 32
_VIDEOS = 64
_CLIP = (8, 112, 112, 3)
_TOKENS, _WIDTH, _HIDDEN, _BLOCKS = 800, 512, 2048, 26  # 43.6 GMACs, those of the paper's size


def run(folder: Path) -> Iterator[Figure]:
    """Measure many short videos from 32 clients against ready tensors; the model is a stand-in of the paper's cost."""
    bundle = write_bundle(
        folder / "bundle", [EXPRESSION], frames=8, interval_s=0.08, size=112, hop_s=0.24, graph=_stand_in()
    )
    model = OnnxModel(bundle, "cpu")
    ready = np.zeros((8, *_CLIP), np.uint8)
    [seconds] = by_turns([partial(model.run, ready)], 3)
    yield Figure("stand-in model on ready tensors", len(ready) / seconds, "clips/s")
    video = face_video(folder / "short.mp4", seconds=1.2)
    with (
        private_redis() as redis_url,
        gateway(folder, redis_url) as (_, url),
        worker(folder, redis_url, bundles=f'["{bundle}"]'),
        Mien(url) as mien,
        ThreadPoolExecutor(_CLIENTS) as clients,
    ):
        mien.analyze(video)
        began = time.perf_counter()
        answers = list(clients.map(lambda _: mien.analyze(video), range(_VIDEOS)))
        rate = sum(len(face.timeline) for answer in answers for face in answer.faces) / (time.perf_counter() - began)
    yield Figure("32 clients with videos of 1.2 s, 320 × 240", rate, "clips/s")
    yield Figure("32 clients to ready tensors", rate * seconds / len(ready), "times", "≥ 0.9")


def _stand_in() -> onnx.ModelProto:
    """Return a graph of matrix products as large as those of the paper's size, whose scores mean nothing."""
    random = np.random.default_rng(0)
    constants = [
        numpy_helper.from_array(random.normal(0, _WIDTH**-0.5, (_WIDTH, _HIDDEN)).astype(np.float32), "up"),
        numpy_helper.from_array(random.normal(0, _HIDDEN**-0.5, (_HIDDEN, _WIDTH)).astype(np.float32), "down"),
        numpy_helper.from_array(np.array([1, _TOKENS, _WIDTH], np.int64), "tokens"),
        numpy_helper.from_array(np.array([[1, -1]], np.float32), "labels"),
    ]
    nodes = [
        helper.make_node("Cast", ["clip"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[2, 3, 4], keepdims=0),
        helper.make_node("ReduceMean", ["mean"], ["embedding"], axes=[1], keepdims=1),
        helper.make_node("Unsqueeze", ["embedding", "last"], ["narrow"]),
        helper.make_node("Expand", ["narrow", "tokens"], ["x0"]),
    ]
    constants.append(numpy_helper.from_array(np.array([2], np.int64), "last"))
    for block in range(_BLOCKS):
        nodes.append(helper.make_node("MatMul", [f"x{block}", "up"], [f"h{block}"]))
        nodes.append(helper.make_node("MatMul", [f"h{block}", "down"], [f"y{block}"]))
        nodes.append(helper.make_node("Tanh", [f"y{block}"], [f"x{block + 1}"]))
    nodes += [
        helper.make_node("ReduceMean", [f"x{_BLOCKS}"], ["seen"], axes=[1, 2], keepdims=0),
        helper.make_node("Unsqueeze", ["seen", "second"], ["column"]),
        helper.make_node("MatMul", ["column", "labels"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["expression"], axis=1),
    ]
    constants.append(numpy_helper.from_array(np.array([1], np.int64), "second"))
    graph = helper.make_graph(
        nodes,
        "stand_in",
        [helper.make_tensor_value_info("clip", TensorProto.UINT8, ["B", *_CLIP])],
        [
            helper.make_tensor_value_info("expression", TensorProto.FLOAT, ["B", 2]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", 1]),
        ],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.checker.check_model(made)
    return made
