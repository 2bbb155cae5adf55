"""The network YuNet (Wu et al., *YuNet: A Tiny Millisecond-level Face Detector*, 2023) on one picture.

It answers for places that are 8, 16 and 32 pixels apart. Each place has two scores, whose geometric mean is the score
of a face there, and the face's box and points, relative to the place and in units of the distance between places.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.contract.errors import Misconfigured
from service.onnx_runtime import onnxruntime

_STRIDES = (8, 16, 32)  # pixels between two places
_OUTPUTS = [f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj", "bbox", "kps")]
_FOUND = 0.6  # least score of a face
_OTHER = 0.3  # intersection over union: boxes that overlap less are different faces
_SILENT = 4  # ONNX Runtime's level of logs: fatal errors only

Numbers = NDArray[np.float32]


class SeenFace(NamedTuple):
    """A face, in pixels of the picture, and partly outside of it perhaps.

    Attributes:
        box: left, top, width and height.
        points: eyes, nose tip and mouth corners, (5, 2).
        score: 0.6 to 1.
    """

    box: tuple[float, float, float, float]
    points: Numbers
    score: float


class YuNet:
    """The network on ONNX Runtime, in the thread that calls it.

    Args:
        model: its ONNX file, with the outputs of the OpenCV Zoo's, and of any height and width.

    Raises:
        Misconfigured: the file cannot be read, or is another network's.
    """

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it would grow with each other size of a picture
        options.log_severity_level = _SILENT
        try:
            graph = model.read_bytes()  # a confined process opens no files later
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            self._input = self._session.get_inputs()[0].name
            self._look(np.zeros((_STRIDES[-1], 2 * _STRIDES[-1], 3), np.uint8))
        except Exception as error:  # ONNX Runtime has many error types
            raise Misconfigured(
                f"{model} cannot be loaded as a YuNet face detector whose pictures may have any size."
            ) from error

    def __call__(self, picture: NDArray[np.uint8]) -> list[SeenFace]:
        """Return the faces in an RGB picture (H, W, 3), the surest first."""
        # Each level halves the one above it and is added to it again, so sizes are multiples of the largest stride.
        below, beside = (-side % _STRIDES[-1] for side in picture.shape[:2])
        padded = cv2.copyMakeBorder(picture, 0, below, 0, beside, cv2.BORDER_CONSTANT).astype(np.uint8, copy=False)
        boxes, points, scores = (np.concatenate(part) for part in zip(*self._look(padded), strict=True))
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), _FOUND, _OTHER)
        return [SeenFace(tuple(boxes[i].tolist()), points[i], float(scores[i])) for i in kept]

    def _look(self, picture: NDArray[np.uint8]) -> list[tuple[Numbers, Numbers, Numbers]]:
        """Return the boxes (N, 4), points (N, 5, 2) and scores (N,) of faces, overlaps included, for each stride."""
        shown = cv2.dnn.blobFromImage(picture, swapRB=True)
        outputs = iter(self._session.run(_OUTPUTS, {self._input: shown}))
        found = []
        for stride in _STRIDES:
            kind, face, box, offsets = (next(outputs)[0] for _ in range(4))
            scores = np.sqrt(np.clip(kind[:, 0], 0, 1) * np.clip(face[:, 0], 0, 1))
            at = np.flatnonzero(scores >= _FOUND)
            rows, columns = np.divmod(at, picture.shape[1] // stride)
            places = np.stack([columns, rows], 1).astype(np.float32)
            middle, size = (places + box[at, :2]) * stride, np.exp(box[at, 2:]) * stride
            points = (places[:, None] + offsets[at].reshape(-1, 5, 2)) * stride
            found.append((np.concatenate([middle - size / 2, size], 1), points, scores[at]))
        return found
