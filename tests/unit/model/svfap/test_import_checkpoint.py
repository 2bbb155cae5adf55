"""Import, against the published implementation's answers (see `tests.published`)."""

import numpy as np
import pytest
import torch

from model.bundle import write as export
from model.bundle.runtime import open_graph
from model.errors import ModelError
from model.pretrain import PretrainRecipe, _model
from model.svfap.import_checkpoint import import_finetuned, import_pretraining
from model.svfap.outputs import task_of
from model.svfap.weights_file import read_weights
from model.tpsbt.encoder import Encoder
from model.tpsbt.zoo import Size
from model.train import checkpoint
from model.train.config import read_recipe
from tests.published import ANSWERS, DEPTHS, by_rule, finetuned_shapes, pixels, pretraining_shapes

SMALL = {"width": 64, "depths": (1, 3, 2), "tokens": 3, "hidden": 10}
SMALL_SIZE = Size(width=64, heads=1, depths=(1, 3, 2), bottleneck_tokens=3, bottleneck_hidden=10)


@pytest.fixture
def published(tmp_path):
    """Write a checkpoint as the authors do."""

    def write(shapes):
        torch.save({"model": by_rule(shapes), "epoch": 99}, tmp_path / "published.pth")
        return tmp_path / "published.pth"

    return write


@pytest.fixture
def imported(tmp_path):
    def run(path, name="dfew", depths=(1, 3, 2), **outputs):
        import_finetuned(path, read_weights(path), tmp_path / "bundle", name=name, depths=depths, **outputs)
        return tmp_path / "bundle"

    return run


@pytest.fixture
def told(monkeypatch):
    """What the exporter, which is left out, is told: the model and the facts."""
    seen = {}
    monkeypatch.setattr(
        "model.svfap.import_checkpoint.export_bundle",
        lambda affect_model, _, **facts: seen.update(facts, affect_model=affect_model),
    )
    return seen


def run(folder, clips):
    return open_graph(folder / "model.onnx").run(None, {"clip": clips})


def test_a_published_checkpoint_becomes_a_bundle_that_answers_as_the_published_model_does(
    published, imported, monkeypatch
):
    monkeypatch.setattr(export, "BATCH_SIZES", (1,))

    folder = imported(published(finetuned_shapes()), depths=DEPTHS)

    probabilities, embedding = run(folder, pixels().transpose(0, 2, 3, 4, 1))

    expected = ANSWERS["uint8_clip"]
    np.testing.assert_allclose(probabilities[0], torch.tensor(expected["logits"]).softmax(0), atol=1e-5)
    np.testing.assert_allclose(embedding[0, :8], expected["pooled_feature_first_8"], atol=1e-4)
    centred = np.log(probabilities[0]) - np.log(probabilities[0]).mean()  # logits, but for a constant
    np.testing.assert_allclose(centred, np.array(expected["logits"]) - np.mean(expected["logits"]), atol=1e-4)


def test_a_bundle_has_its_datasets_labels_and_clips_and_says_where_it_comes_from(published, imported, told):
    imported(published(finetuned_shapes(**SMALL)))

    [task] = told["affect_model"].tasks
    assert task.labels == ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
    assert told["name"] == "svfap-dfew"
    assert (told["clip"].frames, told["clip"].size, told["clip"].interval_s) == (16, 160, 0.16)
    assert told["training"].trained
    assert told["training"].data == "DFEW, by the authors of SVFAP; imported from published.pth."


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("dfew", 7),
        ("ferv39k", 7),
        ("mafw", 11),
        ("crema-d", 6),
        ("ravdess", 8),
        ("enterface05", 6),
        ("werewolf-xl", 3),
        ("avcaffe", 10),
        ("chalearn", 5),
    ],
)
def test_each_of_the_nine_datasets_can_be_imported(published, imported, told, name, outputs):
    path = published(finetuned_shapes(outputs, **SMALL))

    imported(path, name)

    [head] = told["affect_model"].heads.values()
    assert torch.equal(head.weight, read_weights(path)["head.weight"])
    guessed = "evaluate it before you trust its values" in told["training"].data
    assert guessed == (name in ("werewolf-xl", "avcaffe", "chalearn"))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "none"])
def test_a_regression_head_of_any_width_answers_through_the_activation_that_is_named(
    published, imported, told, activation
):
    path = published(finetuned_shapes(2, **SMALL | {"tokens": (6, 4)}))
    task = task_of(expressions=(), dimensions=("valence:-1:1", "arousal:0:3"), traits=())

    imported(path, None, task=task, activation=activation)

    assert told["name"] == "svfap-published"
    assert "assumed" not in told["training"].data
    model, weights = told["affect_model"], read_weights(path)
    with torch.no_grad():
        seen = model(torch.randn(3, 3, 8, 32, 32))
        [values] = model.read(seen.outputs).values()
    raw = seen.embedding @ weights["head.weight"].T + weights["head.bias"]
    low, high = torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 3.0])
    expected = {
        "tanh": (low + high) / 2 + (high - low) / 2 * raw.tanh(),
        "sigmoid": low + (high - low) * raw.sigmoid(),
        "none": raw.clamp(low, high),
    }
    torch.testing.assert_close(values, expected[activation])


def test_an_activation_of_classes_and_a_checkpoint_of_unknown_outputs_are_refused(published, imported):
    path = published(finetuned_shapes(**SMALL))

    with pytest.raises(ModelError, match="leave out --activation"):
        imported(path, activation="tanh")
    with pytest.raises(ModelError, match=r"The outputs of .* are unknown.*--dataset dfew, .*--dimensions valence:-1:1"):
        imported(path, None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dimensions": ["valence:-1"]}, "--dimensions valence:-1: expected a name"),
        ({"dimensions": ["joy:-1:1"]}, "'joy'"),
        ({"dimensions": ["valence:1:-1"]}, "minimum must be less"),
        ({"expressions": ["fear"]}, "at least 2 items"),
        ({"expressions": ["fear", "anger", "fear"]}, "'fear' is there 2 times"),
        ({"dimensions": ["valence:-1:1", "valence:0:1"]}, "'valence' is there 2 times"),
        ({"traits": ["openness"] * 3}, "'openness' is there 3 times"),
        ({"expressions": ["fear", "anger"], "traits": ["openness"]}, "has one head"),
    ],
)
def test_outputs_that_are_described_wrongly_are_one_sentence(given, message):
    with pytest.raises(ModelError, match=message):
        task_of(**{"expressions": (), "dimensions": (), "traits": (), **given})


@pytest.mark.parametrize(("name", "message"), [("dfwe", "known are dfew, "), ("voxceleb2", "has no labels of its own")])
def test_a_dataset_without_labels_and_an_unknown_one_are_refused(published, imported, name, message):
    with pytest.raises(ModelError, match=message):
        imported(published(finetuned_shapes(**SMALL)), name)


def test_a_head_of_other_labels_is_refused_with_both_shapes_and_nothing_is_written(published, imported, tmp_path):
    path = published(finetuned_shapes(11, **SMALL))

    with pytest.raises(ModelError, match=r"published\.pth, as a model of dfew: .*") as refusal:
        imported(path)

    assert "head.weight is 11×64, expected 7×64" in str(refusal.value)
    assert [file.name for file in tmp_path.iterdir()] == ["published.pth"]


def test_a_published_pre_training_checkpoint_becomes_a_start_for_fine_tuning(published, tmp_path):
    path = published(pretraining_shapes(**SMALL))

    written = import_pretraining(path, read_weights(path), tmp_path / "start", depths=(1, 3, 2))

    state = checkpoint.load(written, "imported")
    assert checkpoint.size_of(state) == SMALL_SIZE
    encoder = Encoder(SMALL_SIZE)
    checkpoint.start_encoder(encoder, state, written)
    theirs = read_weights(path)
    assert torch.equal(encoder.tubelet_embedding.weight, theirs["encoder.patch_embed.proj.weight"])
    assert torch.equal(encoder.stages[2].blocks[1].cross_attn.q_bias, theirs["encoder.blocks.5.cross_attn.q_bias"])
    assert torch.equal(encoder.stages[1].temporal_pyramid.bias, theirs["encoder.temporal_downsamples.0.bias"])


def test_pre_training_goes_on_from_a_published_checkpoint_with_its_decoder(published, tmp_path):
    path = published(pretraining_shapes(**SMALL))
    written = import_pretraining(path, read_weights(path), tmp_path / "start", depths=(1, 3, 2))

    size, decoder, model = _model(read_recipe("pretrain", [f"start={written}"], PretrainRecipe))

    assert (size, decoder) == (SMALL_SIZE, (384, 6, 4))
    ours, theirs = model.state_dict(), read_weights(path)
    for name, published_name in {
        "fusion.norm.bias": "encoder.norm.bias",
        "fusion.proj.weight": "encoder_to_decoder.weight",
        "decoder.blocks.3.mlp.fc2.weight": "decoder.blocks.3.mlp.fc2.weight",
        "decoder.norm.weight": "decoder.norm.weight",
        "decoder.head.bias": "decoder.head.bias",
        "encoder.stages.0.blocks.0.attn.qkv.weight": "encoder.blocks.0.attn.qkv.weight",
    }.items():
        assert torch.equal(ours[name], theirs[published_name])
    assert torch.equal(ours["decoder.mask_token"], theirs["mask_token"][0, 0])


def test_pre_training_weights_without_a_decoder_are_a_start_of_the_encoder(published, tmp_path):
    shapes = {name: shape for name, shape in pretraining_shapes(**SMALL).items() if name.startswith("encoder.")}
    path = published(shapes)

    written = import_pretraining(path, read_weights(path), tmp_path / "start", depths=(1, 3, 2))

    _, decoder, model = _model(read_recipe("pretrain", [f"start={written}"], PretrainRecipe))
    assert decoder == (384, 6, 4)
    assert torch.equal(model.encoder.tubelet_embedding.bias, read_weights(path)["encoder.patch_embed.proj.bias"])


def test_fine_tuned_weights_without_a_head_are_a_start_and_no_bundle(published, imported, tmp_path):
    shapes = {name: shape for name, shape in finetuned_shapes(**SMALL).items() if not name.startswith("head.")}
    path = published(shapes)

    with pytest.raises(ModelError, match=r"as a model of dfew: it has no head .* becomes a start"):
        imported(path)
    written = import_pretraining(path, read_weights(path), tmp_path / "start", depths=(1, 3, 2))

    encoder = Encoder(SMALL_SIZE)
    checkpoint.start_encoder(encoder, checkpoint.load(written, "imported"), written)
    assert torch.equal(encoder.stages[2].blocks[1].cross_attn.q_bias, read_weights(path)["blocks.5.cross_attn.q_bias"])


def test_a_decoder_with_a_missing_part_is_refused(published, tmp_path):
    shapes = pretraining_shapes(**SMALL)
    del shapes["decoder.blocks.1.norm1.bias"]
    path = published(shapes)

    with pytest.raises(ModelError, match=r"missing:\n +decoder\.blocks\.1\.norm1\.bias 384"):
        import_pretraining(path, read_weights(path), tmp_path / "start", depths=(1, 3, 2))


def test_pre_training_weights_that_lack_something_are_refused_with_its_published_name(published, tmp_path):
    shapes = pretraining_shapes(**SMALL)
    del shapes["encoder.blocks.2.mlp.fc1.bias"]
    path = published(shapes | {"encoder.pos_embed": (1, 800, 64)})

    with pytest.raises(ModelError) as refusal:
        import_pretraining(path, read_weights(path), tmp_path / "start", depths=(1, 3, 2))

    assert str(refusal.value).splitlines()[1:] == [
        "  missing:",
        "    encoder.blocks.2.mlp.fc1.bias 256",
        "  unexpected:",
        "    encoder.pos_embed 1×800×64",
    ]
