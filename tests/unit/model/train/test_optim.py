import pytest
import torch

from model.tpsbt.affect_model import AffectModel
from model.tpsbt.autoencoder import DecoderSize, MaskedAutoencoder
from model.tpsbt.zoo import ZOO
from model.train.optim import SCALE, depth_of, finetuning_groups, optimisers, pretraining_groups, set_rate


@pytest.fixture
def model(micro, tasks):
    return AffectModel(micro, tasks)  # depths (1, 2, 2)


def group_of(groups, parameter):
    (found,) = (group for group in groups if any(p is parameter for p in group["params"]))
    return found


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("encoder.tubelet_embedding.weight", 0),
        ("encoder.stages.0.blocks.0.attn.qkv.weight", 1),
        ("encoder.stages.0.blocks.11.norm1.bias", 12),
        ("encoder.stages.1.temporal_pyramid.weight", 13),
        ("encoder.stages.1.spatial_bottleneck.mlp.fc1.weight", 13),
        ("encoder.stages.1.blocks.0.cross_attn.q_bias", 13),
        ("encoder.stages.1.blocks.5.mlp.fc1.bias", 18),
        ("encoder.stages.2.temporal_pyramid.bias", 19),
        ("encoder.stages.2.spatial_bottleneck.norm.weight", 19),
        ("encoder.stages.2.blocks.2.mlp.fc2.weight", 21),
        ("norm.weight", 22),
        ("heads.expression.bias", 22),
    ],
)
def test_depths_of_the_papers_model(name, depth):
    assert depth_of(name, (12, 6, 3)) == depth


def test_a_parameter_without_a_depth_is_an_error():
    with pytest.raises(ValueError, match=r"encoder\.new_part\.weight"):
        depth_of("encoder.new_part.weight", (12, 6, 3))


@pytest.mark.parametrize("size", ["base", "tiny"])
def test_layer_decay_covers_every_parameter_once_and_rises_with_depth(size, tasks):
    with torch.device("meta"):
        model = AffectModel(ZOO[size], tasks, clip=(16, 160))
    depths = ZOO[size].depths

    groups = finetuning_groups(model, depths, weight_decay=0.05, layer_decay=0.75)

    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    last = sum(depths) + 1
    assert sorted({group[SCALE] for group in groups}) == pytest.approx([0.75**d for d in range(last, -1, -1)])
    assert group_of(groups, model.heads["expression"].weight)[SCALE] == 1
    pyramid = group_of(groups, model.encoder.stages[2].temporal_pyramid.weight)
    assert pyramid[SCALE] == pytest.approx(0.75 ** depths[2])


def test_biases_norms_and_the_mask_token_do_not_decay(model, micro):
    autoencoder = MaskedAutoencoder(micro, DecoderSize(24, 2, 1))
    for one, groups in (
        (model, finetuning_groups(model, (1, 2, 2), weight_decay=0.05, layer_decay=0.75)),
        (autoencoder, pretraining_groups(autoencoder, 0.05)),
    ):
        for name, parameter in one.named_parameters():
            spared = name.endswith(("bias", "mask_token")) or "norm" in name
            assert group_of(groups, parameter)["weight_decay"] == (0 if spared else 0.05), name


def test_a_scheduled_rate_is_scaled_by_depth(model):
    groups = finetuning_groups(model, (1, 2, 2), weight_decay=0.05, layer_decay=0.5)
    (optimiser,) = optimisers(model, groups, (0.9, 0.999))

    set_rate(optimiser, 0.8)

    assert group_of(optimiser.param_groups, model.norm.weight)["lr"] == pytest.approx(0.8)
    assert group_of(optimiser.param_groups, model.encoder.tubelet_embedding.weight)["lr"] == pytest.approx(0.8 / 64)


def test_muon_takes_the_matrices_of_the_blocks_and_adamw_the_rest(model):
    groups = finetuning_groups(model, (1, 2, 2), weight_decay=0.05, layer_decay=0.5)

    muon, adamw = optimisers(model, groups, (0.9, 0.999), muon_scale=10)
    for optimiser in (muon, adamw):
        set_rate(optimiser, 0.8)

    held = {
        id(parameter): (type(one), group["lr"], group["weight_decay"])
        for one in (muon, adamw)
        for group in one.param_groups
        for parameter in group["params"]
    }
    assert len(held) == len(list(model.parameters()))
    block = model.encoder.stages[2].blocks[1]
    assert held[id(block.mlp.fc1.weight)] == (torch.optim.Muon, pytest.approx(0.8 * 10 * 0.5), 0.05)
    assert held[id(block.cross_attn.kv.weight)][0] is torch.optim.Muon
    for parameter in (
        block.mlp.fc1.bias,
        block.norm1.weight,
        model.encoder.tubelet_embedding.weight,
        model.encoder.stages[1].spatial_bottleneck.mlp.fc1.weight,
        model.heads["expression"].weight,
    ):
        assert held[id(parameter)][0] is torch.optim.AdamW
    assert held[id(model.norm.weight)] == (torch.optim.AdamW, pytest.approx(0.8), 0.0)
