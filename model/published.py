"""The parameter names of the authors' fine-tuned checkpoints (github.com/sunlicai/SVFAP), in ours.

They number all blocks through and keep the pyramids and bottlenecks in lists of their own; here each stage owns
its parts. Within a block the names are the same, and so is every shape.
"""

from __future__ import annotations

import re

_MOVED = {
    "patch_embed.proj": "encoder.tubelet_embedding",
    "temporal_downsamples.0": "encoder.stages.1.temporal_pyramid",
    "temporal_downsamples.1": "encoder.stages.2.temporal_pyramid",
    "spatial_downsamples.0": "encoder.stages.1.spatial_bottleneck",
    "spatial_downsamples.1": "encoder.stages.2.spatial_bottleneck",
    "fc_norm": "norm",
}


def our_name(published: str, depths: tuple[int, int, int], kind: str) -> str:
    """Return a published parameter's name in `Perceiver`.

    Args:
        published: its name in a published fine-tuned checkpoint.
        depths: blocks in each stage, which the names do not tell.
        kind: the kind of task of the checkpoint's one head.

    Raises:
        KeyError: the name is none of a published checkpoint of these depths.
    """
    for prefix, ours in {**_MOVED, "head": f"heads.{kind}"}.items():
        if published.startswith(f"{prefix}."):
            return ours + published.removeprefix(prefix)
    if match := re.fullmatch(r"blocks\.(\d+)\.(.+)", published):
        index = int(match[1])
        for stage, depth in enumerate(depths):
            if index < depth:
                return f"encoder.stages.{stage}.blocks.{index}.{match[2]}"
            index -= depth
    raise KeyError(f"{published} is not in a published checkpoint of depths {depths}")
