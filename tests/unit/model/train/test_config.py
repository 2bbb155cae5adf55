from importlib import resources

import pytest

from model.errors import ModelError
from model.finetune import FinetuneRecipe
from model.pretrain import PretrainRecipe
from model.train.config import first_difference, read_recipe

RECIPES = sorted(
    file.name for file in resources.files("model").joinpath("recipes").iterdir() if file.name.endswith("yaml")
)
DATA = "data.0.folder=prepared/x"


def read(*overrides, name="tiny_pretrain", kind=PretrainRecipe):
    return read_recipe(name, overrides, kind)


def test_the_papers_recipe_for_pretraining():
    recipe = read(name="pretrain")

    assert (recipe.clip.frames, recipe.clip.size, recipe.size) == (16, 160, "base")
    assert (recipe.epochs, recipe.warmup_epochs, recipe.batch) == (100, 5, 256)
    assert (recipe.learning_rate, recipe.end_learning_rate) == (3e-4, 1e-5)
    assert recipe.peak_rate == pytest.approx(3e-4)
    assert (recipe.betas, recipe.weight_decay) == ((0.9, 0.95), 0.05)
    assert recipe.augmentation.scales == (1, 0.875, 0.75, 0.66)


@pytest.mark.parametrize("task", ["expression", "dimensions", "personality"])
def test_the_papers_recipes_for_finetuning(task):
    recipe = read(name=f"finetune_{task}", kind=FinetuneRecipe)

    assert (recipe.epochs, recipe.warmup_epochs, recipe.batch) == (30 if task == "dimensions" else 100, 5, 64)
    assert recipe.peak_rate == pytest.approx(1e-3 * 64 / 256)
    assert (recipe.end_learning_rate, recipe.layer_decay, recipe.stochastic_depth) == (1e-6, 0.75, 0.1)
    assert (recipe.betas, recipe.weight_decay, recipe.smoothing) == ((0.9, 0.999), 0.05, 0.1)
    augmentation = recipe.augmentation
    assert (augmentation.magnitude, augmentation.layers, augmentation.std, augmentation.erase) == (7, 4, 0.5, 0.25)
    assert (recipe.mix and (recipe.mix.mixup, recipe.mix.cutmix)) == ((0.8, 1.0) if task == "expression" else None)


@pytest.mark.parametrize("file", RECIPES)
def test_every_recipe_can_be_read(file):
    name = file.removesuffix(".yaml")

    assert read(name=name, kind=PretrainRecipe if "pretrain" in name else FinetuneRecipe).epochs > 0


def test_values_are_overridden_by_key_down_into_lists(tmp_path):
    recipe = read(
        f"out={tmp_path}", "epochs=3", "learning_rate=1e-4", "data.0.folder=one", "data.1.folder=two", "clip.size=32"
    )

    assert (recipe.out, recipe.epochs, recipe.learning_rate, recipe.clip.size) == (tmp_path, 3, 1e-4, 32)
    assert [str(source.folder) for source in recipe.data] == ["one", "two"]


def test_a_key_that_was_null_takes_keys_below_it():
    recipe = read("mix.mixup=0.5", name="tiny_finetune", kind=FinetuneRecipe)

    assert recipe.mix.mixup == 0.5


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("colour=red", r"tiny_pretrain: the key colour is unknown\. Known there: out, data, clip, .*checkpoint_every"),
        ("clip.frame=8", r"the key clip\.frame is unknown\. Known there: frames, size\."),
        ("data.0.test_part=1", r"the key data\.0\.test_part is unknown\. Known there: folder, test, shards, times\."),
        ("augmentation.flip=1", r"augmentation\.flip is unknown\. Known there: stills, scales, places, squeezed\."),
        ("epochs=many", r"tiny_pretrain: epochs = 'many' is not allowed: .*integer"),
        ("clip.size=100", r"clip\.size = 100 is not allowed: .*multiple of 16"),
        ("data=[]", r"data = \[\] is not allowed: .*at least 1 item"),
        ("epochs", r"'epochs' is not an override: expected key=value"),
        ("data.5.folder=x", r"needs a number from 0 to 1 where it says '5'"),
        ("epochs=[1", r"'epochs=\[1' is not YAML"),
        ("seed=-1", r"seed = -1 is not allowed: .*greater than or equal to 0"),
        ("betas=[0.9, 1.5]", r"betas\.1 = 1\.5 is not allowed: .*less than 1"),
        ("warmup_epochs=.inf", r"warmup_epochs = inf is not allowed: .*finite"),
        ("augmentation.scales=[1, 0]", r"augmentation\.scales\.1 = 0 is not allowed: .*greater than 0"),
    ],
)
def test_what_a_recipe_may_not_say_is_refused_with_file_and_key(override, said):
    with pytest.raises(ModelError, match=said):
        read(override)


def test_an_override_below_a_value_without_keys_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("data: [prepared/x]")

    with pytest.raises(ModelError, match=r"'data\.0\.folder=y' goes on below 0, which is 'prepared/x'"):
        read("data.0.folder=y", name=str(path))


def test_a_part_whose_name_is_a_number_keeps_its_zero():
    assert read("data.0.folder=x", "data.0.test=01").data[0].test == "01"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("out: x", "the key data is missing"),
        ("a: [", "is not YAML"),
        ("- a", "must be a mapping of keys"),
        ("", "must be a mapping of keys"),
    ],
)
def test_a_broken_file_is_refused_with_its_name(text, said, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)

    with pytest.raises(ModelError, match=rf"mine\.yaml.*{said}"):
        read(name=str(path))


def test_a_missing_file_is_refused():
    with pytest.raises(ModelError, match=r"nowhere/recipe\.yaml cannot be read: No such file"):
        read(name="nowhere/recipe.yaml")


def test_finetuning_starts_from_a_checkpoint_or_from_a_size():
    for override in ("size=tiny", "start=null"):
        with pytest.raises(ModelError, match="give either the key start"):
            read(override, name="tiny_finetune", kind=FinetuneRecipe)

    assert read("start=null", "size=tiny", name="tiny_finetune", kind=FinetuneRecipe).size == "tiny"


def test_a_run_may_go_on_with_other_workers_but_not_with_another_rate():
    one, two = read("workers=3", "log_every=7", "out=x").model_dump(mode="json"), read().model_dump(mode="json")

    assert first_difference(one, two) is None
    assert first_difference(one, {**two, "learning_rate": 1}) == "learning_rate"


def test_the_weight_of_a_task_that_there_is_not_is_refused():
    with pytest.raises(ModelError, match=r"weights\.unit.*'units' or 'landmarks'"):
        read_recipe("rendered_finetune", ["weights={unit: 4}"], FinetuneRecipe)


def test_a_recipe_and_a_checkpoint_with_the_earlier_name_of_the_mask_ratio_are_read():
    dumped = read("mask_ratio=0.7").model_dump(mode="json")
    earlier = {("hidden_share" if key == "mask_ratio" else key): value for key, value in dumped.items()}

    assert read("hidden_share=0.7").mask_ratio == 0.7
    assert first_difference(earlier, dumped) is None
    assert first_difference({**earlier, "hidden_share": 0.8}, dumped) == "mask_ratio"
