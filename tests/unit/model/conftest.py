import pytest
import torch

from mien.contract.bundle import (
    ClipInput,
    Dimension,
    DimensionsTask,
    ExpressionTask,
    FaceCrop,
    PersonalityTask,
    Training,
)
from model.bundle.write import export_bundle
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.normalise import IMAGENET_MEAN, IMAGENET_STD
from model.tpsbt.zoo import Size


@pytest.fixture(autouse=True)
def _same_random_numbers():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def micro():
    """The smallest model with all parts."""
    return Size(width=32, heads=2, depths=(1, 2, 2))


@pytest.fixture(scope="session")
def tasks():
    return (
        ExpressionTask(labels=("happiness", "sadness", "neutral")),
        DimensionsTask(dimensions=(Dimension(name="valence"), Dimension(name="arousal", minimum=0, maximum=5))),
        PersonalityTask(traits=("openness", "extraversion")),
    )


@pytest.fixture(scope="session")
def affect_model(micro, tasks):
    """A model whose heads give different outputs for each clip, as after training. Shared by all tests: copy to
    change."""
    torch.manual_seed(0)
    model = AffectModel(micro, tasks)
    for head in model.heads.values():
        torch.nn.init.normal_(head.weight, std=0.1)
    return model.eval()


@pytest.fixture(scope="session")
def facts():
    """A recipe's arguments to `export_bundle` besides the model."""
    return {
        "name": "micro",
        "version": "1.2.3",
        "clip": ClipInput(frames=8, interval_s=0.1, size=32, mean=IMAGENET_MEAN, std=IMAGENET_STD),
        "crop": FaceCrop(margin=0.3),
        "hop_s": 0.25,
        "training": Training(trained=True, data="Two clips.", scores={"UAR": 0.5}),
        "licence": "MIT",
        "intended_use": "Testing.",
    }


@pytest.fixture
def export(facts):
    return lambda model, folder, **changes: export_bundle(model, folder, **{**facts, **changes})


@pytest.fixture(scope="session")
def bundle(affect_model, facts, tmp_path_factory):
    """The model as a bundle. Shared by all tests: copy to change."""
    folder = tmp_path_factory.mktemp("bundles") / "micro"
    export_bundle(affect_model, folder, **facts)
    return folder
