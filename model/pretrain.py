"""Pre-train a masked autoencoder on videos of faces without labels (SVFAP, arXiv 2401.00416)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import torch
from accelerate import Accelerator
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from model.bundle.read_back import read_start
from model.data.augment import PretrainAugmentation, as_floats
from model.errors import ModelError
from model.evaluation.reconstruction import write_reconstruction
from model.tpsbt.autoencoder import DECODERS, DecoderSize, MaskedAutoencoder, reconstruction_loss, target
from model.tpsbt.masking import MASK_RATIO, draw_mask
from model.tpsbt.tubelets import cut
from model.tpsbt.zoo import ZOO, Size
from model.train import checkpoint
from model.train.config import Recipe, SizeName
from model.train.holdout import hold_out, without_test
from model.train.loop import Batch, Learner, Loop, accelerator_of, plan_of, shared_loader
from model.train.optim import pretraining_groups
from model.train.plan import Clips
from model.train.sources import clips_of, common_crop, digest, find

KIND = "pretraining"


class PretrainRecipe(Recipe):
    """Define the settings of a pre-training run."""

    start: Path | None = Field(
        None,
        description="Checkpoint to start from: its encoder and encoder size, and its decoder if it has one. It may be "
        "a published one that went through `import`, or a bundle's folder: its encoder.",
    )
    size: SizeName = Field(
        "base", description="Encoder size, a row of `model/tpsbt/zoo.py`; with `start`, the checkpoint's counts."
    )
    mask_ratio: float = Field(MASK_RATIO, gt=0, lt=1, description="Share of places hidden from the encoder.")
    augmentation: PretrainAugmentation = PretrainAugmentation()
    checkpoint_every: PositiveInt = Field(1000, description="Steps from one checkpoint to the next.")
    held_out: float = Field(
        0,
        ge=0,
        lt=1,
        description="Share of the clips held out, by whole subjects: at each checkpoint their loss is logged, and "
        "reconstruction.png shows one; 0, as in the paper: none.",
    )


def pretrain(recipe: PretrainRecipe) -> Loop:
    """Set up a recipe, from its last checkpoint if there is one; `Loop.run` runs it.

    Raises:
        ModelError: the recipe, its data or its folder cannot be used.
    """
    accelerator = accelerator_of(recipe)
    found = [part.of(without_test(part.prepared, part.rows, part.source.test)) for part in find(recipe)]
    validate = None
    if recipe.held_out:
        training, held_out = zip(*(hold_out(part.rows, recipe.held_out, recipe.seed) for part in found), strict=True)
        if not any(held_out):
            raise ModelError("The key held_out needs at least two subjects or clips.")
        watched = [part.of(rows) for part, rows in zip(found, held_out, strict=True)]
        found = [part.of(rows) for part, rows in zip(found, training, strict=True)]
        validate = _validation(clips_of(watched, (), recipe.clip, seed=recipe.seed, train=False), recipe, accelerator)
    dataset = clips_of(found, (), recipe.clip, seed=recipe.seed, augment=recipe.augmentation, hold=recipe.hold)
    torch.manual_seed(recipe.seed)
    size, decoder, model = _model(recipe)
    learner = Learner(
        kind=KIND,
        size=size,
        about={
            "decoder": decoder._asdict(),
            "clip": recipe.clip.model_dump(),
            "intervals_s": [part.prepared.interval_s for part in found],
            "crop": common_crop(found).model_dump(mode="json"),
            "digest": digest(found),
        },
        model=model,
        groups=pretraining_groups(model, recipe.weight_decay),
        dataset=dataset,
        loss=partial(pretraining_loss, mask_ratio=recipe.mask_ratio),
        checkpoint_every=recipe.checkpoint_every,
        validate=validate,
    )
    return Loop(recipe, plan_of(recipe, len(dataset), accelerator), accelerator, learner)


def _model(recipe: PretrainRecipe) -> tuple[Size, DecoderSize, MaskedAutoencoder]:
    """Return the sizes and the initial model."""
    size, decoder = ZOO[recipe.size], DECODERS[recipe.size]
    if recipe.start is None:
        return size, decoder, MaskedAutoencoder(size, decoder)
    start = read_start(recipe.start)
    size = checkpoint.size_of(start)
    if "decoder" in start["about"]:
        decoder = DecoderSize(**start["about"]["decoder"])
        model = MaskedAutoencoder(size, decoder)
        checkpoint.fill(model, start["model"], recipe.start)
    else:
        model = MaskedAutoencoder(size, decoder)
        checkpoint.start_encoder(model.encoder, start, recipe.start)
    return size, decoder, model


def _validation(
    clips: Clips, recipe: PretrainRecipe, accelerator: Accelerator
) -> Callable[[nn.Module], dict[str, float]]:
    """Return a function that computes the loss of held-out clips, with the same masks each time, and draws one."""
    loader = shared_loader(clips, recipe, accelerator)

    def validate(model: nn.Module) -> dict[str, float]:
        total = torch.zeros(2, device=accelerator.device)  # the sum of losses, the number of clips
        first = torch.empty(0)  # the clip that is drawn; this process reads no clip itself, see `ObjectStore`
        with torch.inference_mode():
            for number, batch in enumerate(loader):
                first = batch["pixels"][:1] if number == 0 else first
                draw = torch.Generator().manual_seed(number)
                pixels = batch["pixels"].to(accelerator.device)
                loss = pretraining_loss(model, {"pixels": pixels}, draw, recipe.mask_ratio)["loss"]
                total[0] += loss.float() * len(pixels)
                total[1] += len(pixels)
        total = cast("Tensor", accelerator.reduce(total, reduction="sum"))
        if accelerator.is_main_process:
            clip = as_floats(first.to(accelerator.device))
            picture = recipe.out / "reconstruction.png"
            write_reconstruction(cast("MaskedAutoencoder", model), clip, recipe.mask_ratio, picture)
        mean = (total[0] / total[1]).item()
        return {"score": -mean, "loss": mean}

    return validate


def pretraining_loss(
    model: nn.Module, batch: Batch, draw: torch.Generator, mask_ratio: float = MASK_RATIO
) -> dict[str, Tensor]:
    """Compute the loss of a batch: the mean squared error of the predicted masked tubelets."""
    tubelets = cut(as_floats(batch["pixels"]))
    clips, _, places, _ = tubelets.shape
    mask = draw_mask(clips, places, draw, mask_ratio).to(tubelets.device)
    return {"loss": reconstruction_loss(model(tubelets, mask), target(tubelets, mask))}
