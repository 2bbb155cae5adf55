"""Score clips with PyTorch or ONNX Runtime behind one interface.

B clips, T frames, H and W pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.contract.bundle import ClipInput, FaceCrop, Task, read_bundle
from mien.contract.errors import BundleRefused
from model.bundle.graph import Graph
from model.bundle.runtime import open_graph
from model.errors import ModelError
from model.evaluation.scores import LEVELS
from model.tasks.heads import LevelsHead
from model.tpsbt.affect_model import AffectModel

Outputs = dict[str, NDArray[np.float32]]
"""By the kind of task, (B, columns): probabilities and values like a bundle's outputs; also `LEVELS` if known."""


class Scorer(Protocol):
    """A model that scores clips.

    Attributes:
        name: the model's name in reports.
        clip: its input.
        crop: how faces are cropped for it.
        tasks: its tasks.
    """

    name: str
    clip: ClipInput
    crop: FaceCrop
    tasks: tuple[Task, ...]

    def __call__(self, clips: NDArray[np.uint8]) -> Outputs:
        """Score RGB clips (B, T, H, W, 3)."""
        ...


class TorchScorer:
    """A PyTorch model with a bundle's inputs and outputs, on the GPU if there is one."""

    def __init__(self, name: str, model: AffectModel, clip: ClipInput, crop: FaceCrop) -> None:
        self.name, self.clip, self.crop = name, clip, crop
        self._device = torch.accelerator.current_accelerator() or torch.device("cpu")
        self._graph = Graph(model, clip).to(self._device)
        self.tasks = self._graph.tasks
        self._levels: Tensor | None = None
        for head in self._graph.model.heads.values():
            if isinstance(head, LevelsHead):
                head.register_forward_hook(self._keep_levels)

    def __call__(self, clips: NDArray[np.uint8]) -> Outputs:
        """See `Scorer`."""
        with torch.inference_mode():
            *found, _ = self._graph(torch.from_numpy(clips).to(self._device))
        outputs: Outputs = {task.kind: values.cpu().numpy() for task, values in zip(self.tasks, found, strict=True)}
        if self._levels is not None:
            outputs[LEVELS] = self._levels.flatten(1).cpu().numpy()
        return outputs

    def _keep_levels(self, _head: nn.Module, _inputs: object, logits: Tensor) -> None:
        self._levels = logits.softmax(dim=-1)  # (B, dimensions, levels)


class OnnxScorer:
    """A bundle in ONNX Runtime on the CPU.

    Raises:
        ModelError: the folder holds no bundle, or a broken one.
    """

    def __init__(self, folder: Path) -> None:
        try:
            manifest, _ = read_bundle(folder)
            self._session = open_graph(folder / manifest.graph)
        except BundleRefused as error:
            raise ModelError(str(error)) from error
        except Exception as error:  # ONNX Runtime raises a dozen kinds
            raise ModelError(f"ONNX Runtime cannot open {folder / manifest.graph}: {error}") from error
        self.name, self.clip, self.crop = f"{manifest.name} {manifest.version}", manifest.input, manifest.crop
        self.tasks = manifest.tasks

    def __call__(self, clips: NDArray[np.uint8]) -> Outputs:
        """See `Scorer`."""
        found = self._session.run([task.output for task in self.tasks], {self.clip.name: clips})
        return {task.kind: values for task, values in zip(self.tasks, found, strict=True)}
