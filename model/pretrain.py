"""Pre-train a masked autoencoder on videos of faces without labels (SVFAP, arXiv 2401.00416)."""

from __future__ import annotations

from functools import partial

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from model.data.augment import PretrainAugmentation, as_floats
from model.tpsbt.autoencoder import DECODERS, MaskedAutoencoder, reconstruction_loss, target
from model.tpsbt.masking import MASK_RATIO, draw_mask
from model.tpsbt.tubelets import cut
from model.tpsbt.zoo import ZOO
from model.train.config import Recipe, SizeName
from model.train.holdout import without_test
from model.train.loop import Batch, Learner, Loop, accelerator_of, plan_of
from model.train.optim import pretraining_groups
from model.train.sources import clips_of, common_crop, find

KIND = "pretraining"


class PretrainRecipe(Recipe):
    """Define the settings of a pre-training run."""

    size: SizeName = Field("base", description="Encoder size, a row of `model/tpsbt/zoo.py`.")
    mask_ratio: float = Field(MASK_RATIO, gt=0, lt=1, description="Share of places hidden from the encoder.")
    augmentation: PretrainAugmentation = PretrainAugmentation()
    checkpoint_every: PositiveInt = Field(1000, description="Steps from one checkpoint to the next.")


def pretrain(recipe: PretrainRecipe) -> bool:
    """Run a recipe, or resume it from its last checkpoint.

    Returns:
        Whether the run is complete; see `Loop.run`.

    Raises:
        ModelError: the recipe, its data or its folder cannot be used.
    """
    accelerator = accelerator_of(recipe)
    found = [part.of(without_test(part.prepared, part.rows, part.source.test)) for part in find(recipe)]
    dataset = clips_of(found, (), recipe.clip, seed=recipe.seed, augment=recipe.augmentation, hold=recipe.hold)
    torch.manual_seed(recipe.seed)
    model = MaskedAutoencoder(ZOO[recipe.size], DECODERS[recipe.size])
    learner = Learner(
        kind=KIND,
        size=ZOO[recipe.size],
        about={
            "decoder": DECODERS[recipe.size]._asdict(),
            "clip": recipe.clip.model_dump(),
            "intervals_s": [part.prepared.interval_s for part in found],
            "crop": common_crop(found).model_dump(mode="json"),
        },
        model=model,
        groups=pretraining_groups(model, recipe.weight_decay),
        dataset=dataset,
        loss=partial(pretraining_loss, mask_ratio=recipe.mask_ratio),
        checkpoint_every=recipe.checkpoint_every,
    )
    return Loop(recipe, plan_of(recipe, len(dataset), accelerator), accelerator, learner).run()


def pretraining_loss(
    model: nn.Module, batch: Batch, draw: torch.Generator, mask_ratio: float = MASK_RATIO
) -> dict[str, Tensor]:
    """Compute the loss of a batch: the mean squared error of the predicted masked tubelets."""
    tubelets = cut(as_floats(batch["pixels"]))
    clips, _, places, _ = tubelets.shape
    mask = draw_mask(clips, places, draw, mask_ratio).to(tubelets.device)
    return {"loss": reconstruction_loss(model(tubelets, mask), target(tubelets, mask))}
