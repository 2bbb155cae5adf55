"""What a training step keeps for its backward pass: `python -m tests.bench.memory`, with a size for another than base.

Bytes that the forward pass of one clip saves, by the part of the model that saves them first, in float32 and bfloat16.
They are counted, not measured: a busy machine gives the same numbers.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model.tpsbt.attention import CrossAttention, SelfAttention
from model.tpsbt.blocks import Mlp
from tests.bench.training import recipe_of

PARTS: Mapping[type[nn.Module], str] = {
    SelfAttention: "attention",
    CrossAttention: "attention",
    Mlp: "MLPs",
    nn.LayerNorm: "norms",
}
COPIES, REST = "weights' copies", "the rest"


def kept(size: str, kind: str, precision: str) -> Counter[str]:
    """Return the bytes that the forward pass of a clip saves, by part; weights in float32 are not counted."""
    model, batch, loss_of = recipe_of(size, kind, clips=1)
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    shapes = {weight.shape for weight in model.parameters() if weight.ndim > 1}
    inside, saved, seen = [REST], Counter[str](), {}

    def save(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights | seen.keys():
            seen[storage.data_ptr()] = storage  # kept, so that no other takes its place
            copied = tensor.dtype == torch.bfloat16 and {tensor.shape, tensor.mT.shape} & shapes
            saved[COPIES if copied else inside[-1]] += storage.nbytes()
        return tensor

    for module in model.modules():
        if part := PARTS.get(type(module)):
            module.register_forward_pre_hook(lambda _, __, part=part: inside.append(part))
            module.register_forward_hook(lambda *_: inside.pop() and None)
    with (
        torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
    ):
        loss_of(model.train(), batch, torch.Generator().manual_seed(0))
    return saved


def main(size: str = "base") -> None:
    for kind in ("pretrain", "finetune"):
        for precision in ("fp32", "bf16"):
            found = kept(size, kind, precision)
            parts = ", ".join(f"{part} {found[part] / 2**20:.0f}" for part in ("attention", "MLPs", "norms", REST))
            copies = f"; once, however many clips: {COPIES} {found.pop(COPIES) / 2**20:.0f}" if found[COPIES] else ""
            print(f"{size} {kind:8} {precision}: {found.total() / 2**20:.0f} MiB a clip: {parts}{copies}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
