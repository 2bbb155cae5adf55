"""The authors' checkpoints (github.com/sunlicai/SVFAP), in our names and sizes.

They number all blocks through and keep the pyramids and bottlenecks in lists of their own; here each stage owns
its parts. Within a block the names are the same, and so is every shape. A pre-training checkpoint has the same names
behind `encoder.`, and the decoder's beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from model.errors import ModelError
from model.tpsbt.zoo import Size

HEAD_WIDTH = 64
"""Of each attention head, at every width."""
ENCODER = "encoder."
"""What the encoder's names begin with in a pre-training checkpoint."""
_ONLY_FOR_PRETRAINING = ("encoder.norm.", "encoder_to_decoder.", "decoder.", "mask_token")
_MOST_LISTED = 20


def of_pretraining(weights: Mapping[str, Tensor]) -> bool:
    """Say whether these are an autoencoder's weights and not a fine-tuned model's; the names tell."""
    return any(name.startswith(ENCODER) for name in weights)


def size_of(weights: Mapping[str, Tensor], depths: tuple[int, int, int], prefix: str = "") -> Size:
    """Read an encoder's size off the shapes.

    Args:
        weights: by their published names.
        depths: blocks in each stage: where stage 3 begins cannot be told from the names.
        prefix: of the encoder's names.

    Raises:
        ModelError: these are no weights of SVFAP's, or of other depths.
    """
    embedding, scores = f"{prefix}patch_embed.proj.weight", f"{prefix}spatial_downsamples.0.mlp.fc2.weight"
    for name, axes in ((embedding, 5), (scores, 2)):
        if name not in weights:
            raise ModelError(f"This is no checkpoint of SVFAP's: it has no {name}.")
        if weights[name].ndim != axes:
            raise ModelError(
                f"This is no checkpoint of SVFAP's: {name} is {_shape(weights[name])}, not of {axes} axes."
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
            f"{first} in stage 1 and {len(crossing)} in stages 2 and 3. Say how many each has with --depths."
        )


def published_name(ours: str, depths: tuple[int, int, int]) -> str:
    """Return the name in a published fine-tuned checkpoint of a parameter of `AffectModel`.

    Args:
        ours: its name in `AffectModel`, of one task.
        depths: blocks in each stage.

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
    """Give published weights our names.

    Args:
        weights: by their published names.
        names: our name → the published one.
        shapes: our name → a tensor of the shape that it must have.

    Returns:
        A state dict with a tensor for each of our names.

    Raises:
        ModelError: something is missing, left over or of another shape; the message lists all of it.
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
