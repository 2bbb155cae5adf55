"""Run a graph on a GPU; only clips and scores are moved, and its kernels are launched together.

The clips and outputs of each batch size stay at fixed addresses in the GPU's memory (I/O binding). So the kernels of a
batch size can be recorded at its first runs and then be replayed as one CUDA graph; ONNX Runtime keeps one for each
`gpu_graph_id` and thread, so all runs are in one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.onnx_runtime import onnxruntime

_GRAPH_ID = "gpu_graph_id"
_NO_GRAPH = "-1"
_CLOSE = 1e-3  # another kernel may round differently


class ReplayRefused(Exception):
    """The recorded runs do not give what the session gives otherwise."""


class _Bound(NamedTuple):
    clips: onnxruntime.OrtValue
    binding: onnxruntime.IOBinding
    options: onnxruntime.RunOptions


class CudaGraphRuns:
    """Runs of one session with the option `enable_cuda_graph`; any thread may call.

    The first call with a batch size records it, and compares what is recorded with plain runs.

    Args:
        session: the session.
        clips: name of its input.
        columns: its outputs' names and numbers of columns.
        device: where its tensors are, as ONNX Runtime names it: `cuda`.

    Raises:
        ReplayRefused: recorded runs give other outputs; so does a call that records.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, clips: str, columns: dict[str, int], device: str = "cuda"
    ) -> None:
        self._session = session
        self._input = clips
        self._columns = columns
        self._device = device
        self._bound: dict[int, _Bound] = {}  # by batch size
        self._thread = ThreadPoolExecutor(1, "gpu")
        self(np.zeros((1, *session.get_inputs()[0].shape[1:]), np.uint8))

    def __call__(self, clips: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Score clips (B, T, H, W, 3); return (B, columns) for each output."""
        return self._thread.submit(self._score, clips).result()

    def _score(self, clips: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        bound = self._bound.get(len(clips))
        if bound is None:
            bound = self._bind(clips)
            self._check(bound, clips)
            self._bound[len(clips)] = bound
        return self._replay(bound, clips)

    def _replay(self, bound: _Bound, clips: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        bound.clips.update_inplace(clips)
        self._session.run_with_iobinding(bound.binding, bound.options)
        outputs: list[NDArray[np.float32]] = bound.binding.copy_outputs_to_cpu()
        return outputs

    def _bind(self, clips: NDArray[np.uint8]) -> _Bound:
        there = onnxruntime.OrtValue.ortvalue_from_numpy(clips, self._device, 0)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input, there)
        for name, count in self._columns.items():
            values = np.zeros((len(clips), count), np.float32)
            binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(values, self._device, 0))
        return _Bound(there, binding, _options(str(len(clips))))

    def _check(self, bound: _Bound, clips: NDArray[np.uint8]) -> None:
        """Compare recorded runs with unrecorded ones, on a batch, its negative, and the batch again."""
        for batch in (clips, 255 - clips, clips):
            plain = self._session.run(list(self._columns), {self._input: batch}, _options(_NO_GRAPH))
            if not _close(self._replay(bound, batch), plain):
                raise ReplayRefused("a CUDA graph gives other outputs than the session without it")


def _options(graph_id: str) -> onnxruntime.RunOptions:
    options = onnxruntime.RunOptions()
    options.add_run_config_entry(_GRAPH_ID, graph_id)
    return options


def _close(ours: Sequence[NDArray[np.float32]], theirs: Sequence[NDArray[np.float32]]) -> bool:
    return all(
        np.allclose(one, other, rtol=_CLOSE, atol=_CLOSE, equal_nan=True)
        for one, other in zip(ours, theirs, strict=True)
    )
