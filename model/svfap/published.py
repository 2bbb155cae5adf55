"""Map the names and shapes of published checkpoints (github.com/sunlicai/SVFAP) to ours.

Published names number all blocks consecutively and list pyramids and bottlenecks separately; here each stage owns its
parts. Within a block, names and shapes are equal. A pre-training checkpoint has the same names with the prefix
`encoder.`, and the decoder's. The number of bottleneck tokens may differ from stage to stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from model.errors import ModelError
from model.tpsbt.autoencoder import DecoderSize
from model.tpsbt.zoo import Size

HEAD_WIDTH = 64
"""Width of each attention head, at every encoder width."""
ENCODER = "encoder."
"""Prefix of the encoder's names in a pre-training checkpoint."""
MASK_TOKEN = "mask_token"  # noqa: S105 — a parameter's name
_TO_DECODER = "encoder_to_decoder.weight"
_DECODER = (_TO_DECODER, "decoder.", MASK_TOKEN)
_FUSION_NORM = "encoder.norm."
_HEAD = "head.weight"
_POOLED_NORM = "fc_norm."
_MOST_LISTED = 20


def of_pretraining(weights: Mapping[str, Tensor]) -> bool:
    """Return whether the weights' names are those of a pre-training checkpoint."""
    return any(name.startswith(ENCODER) for name in weights)


def has_head(weights: Mapping[str, Tensor]) -> bool:
    """Return whether fine-tuned weights have a classification or regression head."""
    return _HEAD in weights


def without_head(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder of fine-tuned weights without a head under its names in a pre-training checkpoint."""
    return {ENCODER + name: weight for name, weight in weights.items() if not name.startswith(_POOLED_NORM)}


def size_of(weights: Mapping[str, Tensor], depths: tuple[int, int, int], prefix: str = "") -> Size:
    """Infer an encoder's size from its weights' shapes.

    Args:
        weights: by their published names.
        depths: number of blocks in each stage; the names do not show where stage 3 begins.
        prefix: prefix of the encoder's names.

    Raises:
        ModelError: the weights are not SVFAP's, or have other depths.
    """
    embedding = f"{prefix}patch_embed.proj.weight"
    scores = [f"{prefix}spatial_downsamples.{stage}.mlp.fc2.weight" for stage in (0, 1)]
    for name, axes in ((embedding, 5), *((name, 2) for name in scores)):
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
    (tokens, hidden), (later_tokens, later_hidden) = (weights[name].shape for name in scores)
    return Size(
        width,
        width // HEAD_WIDTH,
        depths,
        bottleneck_tokens=tokens if tokens == later_tokens else (tokens, later_tokens),
        bottleneck_hidden=hidden if hidden == later_hidden else (hidden, later_hidden),
    )


def decoder_of(weights: Mapping[str, Tensor]) -> DecoderSize | None:
    """Infer a pre-training decoder's size from its weights' shapes; None of a checkpoint without a decoder.

    Raises:
        ModelError: the decoder is incomplete.
    """
    if not any(name.startswith(_DECODER) for name in weights):
        return None
    if _TO_DECODER not in weights or weights[_TO_DECODER].ndim != 2:
        raise ModelError(f"This is no pre-training checkpoint of SVFAP's: it has a decoder, but no {_TO_DECODER}.")
    width = weights[_TO_DECODER].shape[0]
    blocks = {match[1] for name in weights if (match := re.match(r"decoder\.blocks\.(\d+)\.", name))}
    return DecoderSize(width=width, heads=max(1, width // HEAD_WIDTH), depth=len(blocks))


def published_pretraining_name(ours: str, depths: tuple[int, int, int]) -> str:
    """Return a parameter's name in a published pre-training checkpoint, from its name in a `MaskedAutoencoder`."""
    if ours.startswith(ENCODER):
        return ENCODER + published_name(ours, depths)
    if ours.startswith("fusion.norm."):
        return _FUSION_NORM + ours.removeprefix("fusion.norm.")
    return {"fusion.proj.weight": _TO_DECODER, "decoder.mask_token": MASK_TOKEN}.get(ours, ours)


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
    name = re.sub(r"^norm\.", _POOLED_NORM, name)
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
        if name not in known and not (of_pretraining(weights) and name.startswith(_FUSION_NORM))
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
