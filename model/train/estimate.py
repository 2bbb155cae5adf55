"""Estimate a run's memory and time: count operations on tensors without content, and measure the device briefly."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import torch
from accelerate.utils import send_to_device
from torch import Tensor
from torch.utils.data import default_collate
from torch.utils.flop_counter import FlopCounterMode

from model.train.loop import Batch, Learner
from model.train.plan import Plan

_GB = 1e9
_WEIGHT_BYTES = 4 * 4  # values of each parameter: itself, its gradient, and AdamW's two moments
_USED = 0.4  # share of a device's rate of matrix products that training reaches
_MATRIX, _PRODUCTS = 1024, 8
_CLIPS_READ = 4


@dataclass(frozen=True)
class Estimate:
    """The cost of a run.

    Attributes:
        clips: training clips of an epoch.
        steps: of the run.
        steps_per_epoch: of an epoch.
        weights_gb: memory of weights, gradients and optimiser on each device.
        activations_gb: memory of the activations that a micro-batch keeps for the backward pass.
        clips_per_s: training clips a second on one device, by its rate of matrix products.
        loaded_per_s: clips a second that one loader process reads.
        hours: of the run on these devices, if data never waits.
    """

    clips: int
    steps: int
    steps_per_epoch: int
    weights_gb: float
    activations_gb: float
    clips_per_s: float
    loaded_per_s: float
    hours: float


def estimate(learner: Learner, plan: Plan, *, device: torch.device, bf16: bool, recompute: bool) -> Estimate:
    """Estimate a run.

    Args:
        learner: its model, data and loss.
        plan: its steps.
        device: of this process.
        bf16: whether activations have 16 bits.
        recompute: whether activations are recomputed in the backward pass, which costs about a third more time.
    """
    started = time.perf_counter()
    items = [learner.dataset[index * len(learner.dataset) // _CLIPS_READ] for index in range(_CLIPS_READ)]
    loaded_per_s = len(items) / (time.perf_counter() - started)
    operations, kept = _of_a_clip(learner, default_collate(items[:2]))
    factor = 4 if recompute else 3  # the backward pass costs two forward passes
    clips_per_s = _USED * _rate(device, bf16=bf16) / (factor * operations)
    parameters = sum(parameter.numel() for parameter in learner.model.parameters())
    return Estimate(
        clips=plan.clips,
        steps=plan.steps,
        steps_per_epoch=plan.steps_per_epoch,
        weights_gb=parameters * _WEIGHT_BYTES / _GB,
        activations_gb=kept * plan.batch_on_device * (0.5 if bf16 else 1) / _GB,
        clips_per_s=clips_per_s,
        loaded_per_s=loaded_per_s,
        hours=plan.steps * plan.batch / (clips_per_s * plan.processes) / 3600,
    )


def _of_a_clip(learner: Learner, batch: Batch) -> tuple[float, float]:
    """Return the forward pass's operations for one clip, and the bytes that it keeps for the backward pass."""
    model = copy.deepcopy(learner.model).to("meta").train()
    clips = len(batch["pixels"])
    weights = {id(storage): storage for storage in (parameter.untyped_storage() for parameter in model.parameters())}
    kept: dict[int, torch.UntypedStorage] = {}  # held, so that no id is reused

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[id(storage)] = storage
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        learner.loss(model, send_to_device(batch, "meta"), torch.Generator().manual_seed(0))
    size = sum(storage.nbytes() for key, storage in kept.items() if key not in weights)
    return counter.get_total_flops() / clips, size / clips


def _rate(device: torch.device, *, bf16: bool) -> float:
    """Measure a device's operations a second in matrix products."""
    one = torch.ones(_MATRIX, _MATRIX, device=device, dtype=torch.bfloat16 if bf16 else torch.float32)
    float((one @ one)[0, 0])
    started = time.perf_counter()
    for _ in range(_PRODUCTS):
        product = one @ one
    float(product[0, 0])  # waits for the device
    return _PRODUCTS * 2 * _MATRIX**3 / (time.perf_counter() - started)
