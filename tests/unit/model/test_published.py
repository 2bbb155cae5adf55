"""Our model against the published implementation (github.com/sunlicai/SVFAP).

The numbers are what the published model answers, in evaluation mode and float32, when every weight and every
pixel comes from a rule: see `weight` and `noise`.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from model.published import our_name
from model.tpsbt.perceiver import Perceiver
from model.tpsbt.zoo import ZOO
from service.contract.bundle import ExpressionTask

DEPTHS = (12, 6, 3)
REFERENCE = Path(__file__).parents[4] / "shared" / "reference"

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


def published_shapes(width=512, classes=7):
    """Every name and shape of a published fine-tuned checkpoint."""
    linear = lambda name, rows, columns: {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}  # noqa: E731
    norm = lambda name: {f"{name}.weight": (width,), f"{name}.bias": (width,)}  # noqa: E731
    biases = lambda name: {f"{name}.q_bias": (width,), f"{name}.v_bias": (width,)}  # noqa: E731
    shapes = {"patch_embed.proj.weight": (width, 3, 2, 16, 16), "patch_embed.proj.bias": (width,)}
    for b in [f"blocks.{index}" for index in range(sum(DEPTHS))]:
        shapes |= norm(f"{b}.norm1") | biases(f"{b}.attn") | {f"{b}.attn.qkv.weight": (3 * width, width)}
        shapes |= linear(f"{b}.attn.proj", width, width) | norm(f"{b}.norm2")
        shapes |= linear(f"{b}.mlp.fc1", 4 * width, width) | linear(f"{b}.mlp.fc2", width, 4 * width)
    for b in [f"blocks.{index}" for index in range(DEPTHS[0], sum(DEPTHS))]:
        shapes |= norm(f"{b}.cross_norm1") | norm(f"{b}.cross_norm2") | biases(f"{b}.cross_attn")
        shapes |= {f"{b}.cross_attn.q.weight": (width, width), f"{b}.cross_attn.kv.weight": (2 * width, width)}
        shapes |= linear(f"{b}.cross_attn.proj", width, width)
    for i in (0, 1):
        shapes |= {f"temporal_downsamples.{i}.weight": (width, width, 2), f"temporal_downsamples.{i}.bias": (width,)}
        shapes |= norm(f"spatial_downsamples.{i}.norm")
        shapes |= linear(f"spatial_downsamples.{i}.mlp.fc1", 128, width)
        shapes |= linear(f"spatial_downsamples.{i}.mlp.fc2", 8, 128)
    return shapes | norm("fc_norm") | linear("head", classes, width)


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
    k = np.arange(1, 3 * 16 * 160 * 160 + 1, dtype=np.float64)
    return ((np.sin(78.233 * k) * 43758.5453) % 1).reshape(1, 3, 16, 160, 160)


def clip(name):
    if name == "float_clip":
        return torch.from_numpy(4 * (noise() - 0.5)).float()
    pixels = np.floor(256 * noise())
    assert pixels.ravel()[:8].tolist() == PIXELS
    mean, std = (np.reshape(channel, (3, 1, 1, 1)) for channel in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    return torch.from_numpy((pixels / 255 - mean) / std).float()


@pytest.fixture(scope="module")
def base():
    with torch.device("meta"):
        model = Perceiver(ZOO["base"], [ExpressionTask(labels=tuple("abcdefg"))])
    weights = {our_name(name, DEPTHS, "expression"): weight(name, shape) for name, shape in published_shapes().items()}
    model.load_state_dict(weights, assign=True)
    return model.eval()


def test_base_with_seven_classes_has_the_published_number_of_parameters(base):
    assert sum(parameter.numel() for parameter in base.parameters()) == PARAMETERS


def test_every_published_parameter_has_its_place_and_shape_in_ours():
    with torch.device("meta"):
        model = Perceiver(ZOO["base"], [ExpressionTask(labels=tuple("abcdefg"))])

    mapped = {our_name(name, DEPTHS, "expression"): shape for name, shape in published_shapes().items()}

    assert mapped == {name: tuple(parameter.shape) for name, parameter in model.state_dict().items()}


@pytest.mark.parametrize("name", list(ANSWERS))
def test_base_answers_as_the_published_model_does(base, name):
    with torch.no_grad():
        seen = base(clip(name))

    expected = ANSWERS[name]
    assert seen.answers["expression"][0].tolist() == pytest.approx(expected["logits"], abs=1e-4)
    assert seen.embedding[0, :8].tolist() == pytest.approx(expected["pooled_feature_first_8"], abs=1e-4)
    assert seen.embedding.norm().item() == pytest.approx(expected["pooled_feature_l2_norm"], abs=1e-4)


@pytest.mark.parametrize(
    ("index", "place"), [(0, (0, 0)), (11, (0, 11)), (12, (1, 0)), (17, (1, 5)), (18, (2, 0)), (20, (2, 2))]
)
def test_a_published_block_goes_to_the_stage_that_its_number_falls_in(index, place):
    ours = our_name(f"blocks.{index}.mlp.fc1.bias", DEPTHS, "expression")

    assert ours == "encoder.stages.{}.blocks.{}.mlp.fc1.bias".format(*place)


@pytest.mark.parametrize("name", ["blocks.21.norm1.weight", "header.weight", "pos_embed", "decoder.norm.weight"])
def test_a_name_that_no_published_checkpoint_has_is_refused(name):
    with pytest.raises(KeyError, match="not in a published checkpoint"):
        our_name(name, DEPTHS, "expression")


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference numbers are not at ../shared/reference")
def test_the_constants_above_are_the_reference_numbers():
    shapes = json.loads((REFERENCE / "finetune_state_dict.json").read_text())["shapes"]
    vector = json.loads((REFERENCE / "finetune_vector.json").read_text())

    assert published_shapes() == {name: tuple(shape) for name, shape in shapes.items()}
    assert vector["uint8_clip"]["first_8_pixels"] == PIXELS
    for name, answers in ANSWERS.items():
        for what, expected in answers.items():
            assert vector[name][what] == pytest.approx(expected, abs=1e-6)
