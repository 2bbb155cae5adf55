"""Our model against the published implementation: its names, its sizes, its answers (see `tests.published`)."""

import json

import pytest
import torch

from mien.contract.bundle import ExpressionTask
from model.errors import ModelError
from model.svfap.published import ENCODER, fitted, of_pretraining, published_name, size_of
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.zoo import ZOO, Size
from tests.published import (
    ANSWERS,
    DEPTHS,
    PARAMETERS,
    PIXELS,
    REFERENCE,
    by_rule,
    clip,
    finetuned_shapes,
    pretraining_shapes,
)

SMALL = {"width": 64, "depths": (1, 3, 2), "tokens": 3, "hidden": 10}
SMALL_SIZE = Size(width=64, heads=1, depths=(1, 3, 2), bottleneck_tokens=3, bottleneck_hidden=10)


def empty(shapes):
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def base():
    with torch.device("meta"):
        model = AffectModel(ZOO["base"], [ExpressionTask(labels=tuple("abcdefg"))])
    weights = by_rule(finetuned_shapes())
    model.load_state_dict({ours: weights[published_name(ours, DEPTHS)] for ours in model.state_dict()}, assign=True)
    return model.eval()


def test_base_with_seven_classes_has_the_published_number_of_parameters(base):
    assert sum(parameter.numel() for parameter in base.parameters()) == PARAMETERS


def test_every_parameter_of_ours_has_its_place_and_shape_in_a_published_checkpoint(base):
    mapped = {published_name(ours, DEPTHS): tuple(weight.shape) for ours, weight in base.state_dict().items()}

    assert mapped == finetuned_shapes()


@pytest.mark.parametrize("name", list(ANSWERS))
def test_base_answers_as_the_published_model_does(base, name):
    with torch.no_grad():
        seen = base(clip(name))

    expected = ANSWERS[name]
    assert seen.outputs["expression"][0].tolist() == pytest.approx(expected["logits"], abs=1e-4)
    assert seen.embedding[0, :8].tolist() == pytest.approx(expected["pooled_feature_first_8"], abs=1e-4)
    assert seen.embedding.norm().item() == pytest.approx(expected["pooled_feature_l2_norm"], abs=1e-4)


@pytest.mark.parametrize(
    ("index", "place"), [(0, (0, 0)), (11, (0, 11)), (12, (1, 0)), (17, (1, 5)), (18, (2, 0)), (20, (2, 2))]
)
def test_a_stages_block_has_the_published_number_counted_through_all_stages(index, place):
    ours = "encoder.stages.{}.blocks.{}.mlp.fc1.bias".format(*place)

    assert published_name(ours, DEPTHS) == f"blocks.{index}.mlp.fc1.bias"


def test_a_name_that_is_none_of_ours_is_refused():
    with pytest.raises(KeyError, match="no place"):
        published_name("decoder.norm.weight", DEPTHS)


def test_every_size_is_read_off_the_shapes():
    assert size_of(empty(finetuned_shapes(**SMALL)), (1, 3, 2)) == SMALL_SIZE
    assert size_of(empty(pretraining_shapes(**SMALL)), (1, 3, 2), ENCODER) == SMALL_SIZE
    assert size_of(empty(finetuned_shapes()), DEPTHS) == ZOO["base"]
    assert size_of(empty(pretraining_shapes(768)), DEPTHS, ENCODER) == Size(width=768, heads=12, depths=DEPTHS)


def test_each_stage_may_have_its_own_number_of_bottleneck_tokens():
    size = size_of(empty(finetuned_shapes(**SMALL | {"tokens": (6, 4)})), (1, 3, 2))

    assert size == SMALL_SIZE._replace(bottleneck_tokens=(6, 4))


@pytest.mark.parametrize("depths", [(2, 2, 2), (1, 3, 1), (1, 3, 3), (1, 5, 0)])
def test_depths_that_the_checkpoint_has_not_are_refused(depths):
    with pytest.raises(ModelError, match="6 blocks, 1 in stage 1 and 5 in stages 2 and 3"):
        size_of(empty(finetuned_shapes(**SMALL)), depths)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"patch_embed.proj.weight": None}, r"no checkpoint of SVFAP's: it has no patch_embed\.proj\.weight"),
        ({"spatial_downsamples.0.mlp.fc2.weight": None}, r"it has no spatial_downsamples\.0\.mlp\.fc2\.weight"),
        ({"patch_embed.proj.weight": (64, 768)}, "patch_embed.proj.weight is 64×768"),
        ({"patch_embed.proj.weight": (100, 3, 2, 16, 16)}, "100 wide: expected a multiple of 64"),
    ],
)
def test_weights_of_another_model_are_refused(changed, message):
    shapes = {name: shape for name, shape in (finetuned_shapes(**SMALL) | changed).items() if shape}

    with pytest.raises(ModelError, match=message):
        size_of(empty(shapes), (1, 3, 2))


def test_the_names_tell_pre_training_from_fine_tuning():
    assert of_pretraining(empty(pretraining_shapes(**SMALL)))
    assert not of_pretraining(empty(finetuned_shapes(**SMALL)))


def test_all_that_does_not_fit_is_listed():
    wanted = empty({"a": (2, 3), "b": (4,), "c": (5,)})
    names = {"a": "A", "b": "B", "c": "C"}

    with pytest.raises(ModelError) as refusal:
        fitted(empty({"A": (3, 2), "C": (5,), "D": (1, 1), "decoder.norm.bias": (2,)}), names, wanted)

    assert str(refusal.value).splitlines()[1:] == [
        "  missing:",
        "    B 4",
        "  unexpected:",
        "    D 1×1",
        "    decoder.norm.bias 2",
        "  of another shape:",
        "    A is 3×2, expected 2×3",
    ]


def test_a_long_list_is_cut_and_counted():
    with pytest.raises(ModelError, match=r"name 19 1\n    and 30 more$"):
        fitted(empty({f"name {i}": (1,) for i in range(50)}), {}, {})


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference numbers are not at ../shared/reference")
def test_the_constants_are_the_reference_numbers():
    vector = json.loads((REFERENCE / "finetune_vector.json").read_text())

    for file, ours in [("finetune", finetuned_shapes()), ("pretrain", pretraining_shapes())]:
        shapes = json.loads((REFERENCE / f"{file}_state_dict.json").read_text())["shapes"]
        assert ours == {name: tuple(shape) for name, shape in shapes.items()}
    assert vector["uint8_clip"]["first_8_pixels"] == PIXELS
    for name, answers in ANSWERS.items():
        for what, expected in answers.items():
            assert vector[name][what] == pytest.approx(expected, abs=1e-6)
