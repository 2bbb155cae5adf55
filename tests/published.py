"""The published implementation (github.com/sunlicai/SVFAP) for tests: its parameters, and weights and clips by a rule.

`ANSWERS` are the published model's outputs, in evaluation mode and float32, if every weight and every pixel comes from
the rule: see `weight` and `noise`. Shapes are made from the architecture, at any size.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch

DEPTHS = (12, 6, 3)
REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "reference"

PARAMETERS = 77_635_351
PIXELS = [46, 6, 68, 54, 14, 249, 31, 85]
ANSWERS = {
    "float_clip": {
        "logits": [-1.5109540, 1.2618794, 1.3196929, -1.2978175, -0.8261340, 0.3458902, -0.1203355],
        "pooled_feature_first_8": [
            *(-0.6108415, -0.2361562, -0.0221826, 1.0862170, 0.6237445, -0.3499929, 1.4872153, 0.6765289),
        ],
        "pooled_feature_l2_norm": 22.6003151,
    },
    "uint8_clip": {
        "logits": [-1.3537703, 1.7448578, 1.1993703, -1.2663716, -0.5292009, 0.3590992, 0.0888592],
        "pooled_feature_first_8": [
            *(-0.0420445, 0.3490981, -0.0104915, 1.1377559, 0.3711881, -0.1649257, 0.5333521, 0.8013590),
        ],
        "pooled_feature_l2_norm": 22.6288128,
    },
}


def encoder_shapes(width=512, depths=DEPTHS, tokens=8, hidden=128):
    """Every name and shape of the encoder."""
    shapes = {"patch_embed.proj.weight": (width, 3, 2, 16, 16), "patch_embed.proj.bias": (width,)}
    for index in range(sum(depths)):
        shapes |= _block(f"blocks.{index}", width)
    for b in [f"blocks.{index}" for index in range(depths[0], sum(depths))]:
        shapes |= (
            _norm(f"{b}.cross_norm1", width) | _norm(f"{b}.cross_norm2", width) | _biases(f"{b}.cross_attn", width)
        )
        shapes |= {f"{b}.cross_attn.q.weight": (width, width), f"{b}.cross_attn.kv.weight": (2 * width, width)}
        shapes |= _linear(f"{b}.cross_attn.proj", width, width)
    for i in (0, 1):
        shapes |= {f"temporal_downsamples.{i}.weight": (width, width, 2), f"temporal_downsamples.{i}.bias": (width,)}
        shapes |= _norm(f"spatial_downsamples.{i}.norm", width)
        shapes |= _linear(f"spatial_downsamples.{i}.mlp.fc1", hidden, width)
        shapes |= _linear(f"spatial_downsamples.{i}.mlp.fc2", tokens if isinstance(tokens, int) else tokens[i], hidden)
    return shapes


def finetuned_shapes(classes=7, width=512, **size):
    """Every name and shape of a published fine-tuned checkpoint."""
    return encoder_shapes(width, **size) | _norm("fc_norm", width) | _linear("head", classes, width)


def pretraining_shapes(width=768, **size):
    """Every name and shape of a published pre-training checkpoint."""
    shapes = {
        f"encoder.{name}": shape for name, shape in (encoder_shapes(width, **size) | _norm("norm", width)).items()
    }
    for index in range(4):
        shapes |= _block(f"decoder.blocks.{index}", 384)
    shapes |= _norm("decoder.norm", 384) | _linear("decoder.head", 1536, 384)
    return shapes | {"encoder_to_decoder.weight": (384, width), "mask_token": (1, 1, 384)}


def by_rule(shapes):
    """Return a state dict of the rule's weights."""
    return {name: weight(name, shape) for name, shape in shapes.items()}


def _linear(name, rows, columns):
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def _norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _biases(name, width):
    return {f"{name}.q_bias": (width,), f"{name}.v_bias": (width,)}


def _block(name, width):
    shapes = _norm(f"{name}.norm1", width) | _biases(f"{name}.attn", width)
    shapes |= {f"{name}.attn.qkv.weight": (3 * width, width)}
    shapes |= _linear(f"{name}.attn.proj", width, width) | _norm(f"{name}.norm2", width)
    return shapes | _linear(f"{name}.mlp.fc1", 4 * width, width) | _linear(f"{name}.mlp.fc2", width, 4 * width)


def weight(name, shape):
    """The rule: sines of the element's number and the name's checksum, scaled by the fan-in."""
    k = np.arange(1, np.prod(shape) + 1, dtype=np.float64)
    u = (np.sin(12.9898 * k + zlib.crc32(name.encode()) % 1000) * 43758.5453) % 1 - 0.5
    if len(shape) > 1:
        u *= 2 * (3 / np.prod(shape[1:])) ** 0.5
    elif name.endswith("weight"):
        u = 1 + 0.2 * u
    else:
        u *= 0.04
    return torch.from_numpy(u.reshape(shape).astype(np.float32))


def noise():
    """Return the values of which both clips are made: (1, 3, 16, 160, 160) in [0, 1)."""
    k = np.arange(1, 3 * 16 * 160 * 160 + 1, dtype=np.float64)
    return ((np.sin(78.233 * k) * 43758.5453) % 1).reshape(1, 3, 16, 160, 160)


def pixels():
    """Return the clip in bytes, (1, 3, 16, 160, 160)."""
    found = np.floor(256 * noise())
    assert found.ravel()[:8].tolist() == PIXELS
    return found.astype(np.uint8)


def clip(name):
    """Return one of the two clips, normalised."""
    if name == "float_clip":
        return torch.from_numpy(4 * (noise() - 0.5)).float()
    mean, std = (np.reshape(channel, (3, 1, 1, 1)) for channel in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    return torch.from_numpy((pixels() / 255 - mean) / std).float()
