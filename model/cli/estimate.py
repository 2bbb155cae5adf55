"""Run `mien-model pretrain --dry-run` and `finetune --dry-run`: print an estimate of a run's cost."""

from __future__ import annotations

import math

import typer

from model.train.estimate import estimate
from model.train.loop import Loop


def show(loop: Loop) -> None:
    """Print a run's data, steps, memory and time."""
    recipe, plan, device = loop.recipe, loop.plan, loop.accelerator.device
    found = estimate(loop.learner, plan, device=device, bf16=recipe.precision == "bf16", recompute=recipe.recompute)
    loaders = math.ceil(found.clips_per_s / found.loaded_per_s)
    rest = f", {loop.step} of them done" if loop.step else ""
    typer.echo(
        f"Data: {found.clips} clips an epoch, from {', '.join(str(source.folder) for source in recipe.data)}.\n"
        f"Steps: {found.steps}{rest}; {found.steps_per_epoch} in each of {recipe.epochs} epochs, {recipe.batch} clips "
        f"each, {plan.processes} × {recipe.batch_on_device} at once.\n"
        f"Memory of each device: about {found.weights_gb + found.activations_gb:.1f} GB; {found.weights_gb:.1f} for "
        f"weights, gradients and optimiser, {found.activations_gb:.1f} for a micro-batch.\n"
        f"Time: about {found.hours:.1f} hours on {plan.processes} × {device.type}, {found.clips_per_s:.1f} clips a "
        "second each, guessed from the device's rate of matrix products.\n"
        f"Loading: one process reads {found.loaded_per_s:.1f} clips a second, so each device needs {loaders} of them "
        f"(workers={recipe.workers} here).\nNothing was trained or written."
    )
