"""Map the names and shapes of published checkpoints (github.com/sunlicai/SVFAP) to ours.

Published names number all blocks consecutively and list pyramids and bottlenecks separately; here each stage owns its
parts. Within a block, names and shapes are equal. A pre-training checkpoint has the same names with the prefix
`encoder.`, and the decoder's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from model.errors import ModelError
from model.tpsbt.zoo import Size

HEAD_WIDTH = 64
"""Width of each attention head, at every encoder width."""
ENCODER = "encoder."
"""Prefix of the encoder's names in a pre-training checkpoint."""
_ONLY_FOR_PRETRAINING = ("encoder.norm.", "encoder_to_decoder.", "decoder.", "mask_token")
_MOST_LISTED = 20


def of_pretraining(weights: Mapping[str, Tensor]) -> bool:
    """Return whether the weights' names are those of a pre-training checkpoint."""
    return any(name.startswith(ENCODER) for name in weights)


def size_of(weights: Mapping[str, Tensor], depths: tuple[int, int, int], prefix: str = "") -> Size:
    """Infer an encoder's size from its weights' shapes.

    Args:
        weights: by their published names.
        depths: number of blocks in each stage; the names do not show where stage 3 begins.
        prefix: prefix of the encoder's names.

    Raises:
        ModelError: the weights are not SVFAP's, or have other depths.
    """
    embedding, scores = f"{prefix}patch_embed.proj.weight", f"{prefix}spatial_downsamples.0.mlp.fc2.weight"
    for name, axes in ((embedding, 5), (scores, 2)):
        if name not in weights:
            raise ModelError(f"This is no checkpoint of SVFAP's: it has no {name}.")
        if weights[name].ndim != axes:
            raise ModelError(
                f"This is no checkpoint of SVFAP's: {name} is {_shape(weights[name])}, expected {axes} axes."
            )
    width = weights[embedding].shape[0]
    if width % HEAD_WIDTH:
        raise ModelError(f"{embedding} is {width} wide: expected a multiple of {HEAD_WIDTH}, the width of each head.")
    _check_depths(weights, depths, prefix)
    tokens, hidden = weights[scores].shape
    return Size(width, width // HEAD_WIDTH, depths, bottleneck_tokens=tokens, bottleneck_hidden=hidden)


def _check_depths(weights: Mapping[str, Tensor], depths: tuple[int, int, int], prefix: str) -> None:
    pattern = re.compile(re.escape(prefix) + r"blocks\.(\d+)\.(cross_attn\.)?")
    matches = [match for name in weights if (match := pattern.match(name))]
    blocks = {int(match[1]) for match in matches}
    crossing = {int(match[1]) for match in matches if match[2]}
    first = len(blocks - crossing)
    if len(blocks) != sum(depths) or first != depths[0] or min(depths) < 1:
        raise ModelError(
            f"The depths {'-'.join(map(str, depths))} do not fit: the checkpoint has {len(blocks)} blocks, "
            f"{first} in stage 1 and {len(crossing)} in stages 2 and 3. Set --depths to the blocks of each stage."
        )


def published_name(ours: str, depths: tuple[int, int, int]) -> str:
    """Return a parameter's name in a published fine-tuned checkpoint.

    Args:
        ours: its name in an `AffectModel` of one task.
        depths: number of blocks in each stage.

    Raises:
        KeyError: `AffectModel` has no such parameter.
    """
    name = re.sub(r"^heads\.\w+\.", "head.", ours)
    name = re.sub(r"^norm\.", "fc_norm.", name)
    name = name.replace("encoder.tubelet_embedding.", "patch_embed.proj.")
    if match := re.fullmatch(r"encoder\.stages\.(\d)\.(\w+)\.(.+)", name):
        stage, part, rest = int(match[1]), match[2], match[3]
        if part == "blocks":
            block, _, rest = rest.partition(".")
            return f"blocks.{sum(depths[:stage]) + int(block)}.{rest}"
        lists = {"temporal_pyramid": "temporal_downsamples", "spatial_bottleneck": "spatial_downsamples"}
        return f"{lists[part]}.{stage - 1}.{rest}"
    if name == ours:
        raise KeyError(f"{ours} has no place in a published checkpoint")
    return name


def fitted(weights: Mapping[str, Tensor], names: Mapping[str, str], shapes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename published weights to ours and check their shapes.

    Args:
        weights: by their published names.
        names: our name → the published name.
        shapes: our name → a tensor of the expected shape.

    Returns:
        A state dict with a tensor for each of our names.

    Raises:
        ModelError: weights are missing, unexpected or of another shape; the message lists them.
    """
    missing = [f"{theirs} {_shape(shapes[ours])}" for ours, theirs in names.items() if theirs not in weights]
    wrong = [
        f"{theirs} is {_shape(weights[theirs])}, expected {_shape(shapes[ours])}"
        for ours, theirs in names.items()
        if theirs in weights and weights[theirs].shape != shapes[ours].shape
    ]
    known = set(names.values())
    unexpected = [
        f"{name} {_shape(weights[name])}"
        for name in weights
        if name not in known and not (of_pretraining(weights) and name.startswith(_ONLY_FOR_PRETRAINING))
    ]
    lists = {"missing": missing, "unexpected": unexpected, "of another shape": wrong}
    if any(lists.values()):
        said = "\n".join(f"  {what}:\n{_listed(items)}" for what, items in lists.items() if items)
        raise ModelError(f"The checkpoint does not fit the model:\n{said}")
    return {ours: weights[theirs] for ours, theirs in names.items()}


def _listed(items: list[str]) -> str:
    more = [f"and {len(items) - _MOST_LISTED} more"] if len(items) > _MOST_LISTED else []
    return "\n".join(f"    {item}" for item in [*items[:_MOST_LISTED], *more])


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"
