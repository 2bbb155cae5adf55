"""Run the training loop of pre-training and fine-tuning: steps, devices, log, checkpoints.

Random numbers of a step (masks, stochastic depth) come from generators seeded for each batch with (seed, step,
micro-batch, process). The order of clips comes from `plan`, and a clip depends on (seed, epoch, index) only. So a
resumed run reaches the same losses as one that was never stopped, bit for bit on a CPU.
"""

from __future__ import annotations

import contextlib
import math
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset, Subset

from model.errors import ModelError
from model.tpsbt.zoo import Size
from model.train import checkpoint
from model.train.config import Recipe, first_difference
from model.train.memory import keep_memory
from model.train.meter import Meter
from model.train.optim import optimisers, set_rate
from model.train.plan import Clips, Plan, PlannedBatches
from model.train.progress import BLANK, progress_bar
from model.train.recompute import recompute_blocks
from model.train.run_log import RunLog
from model.train.schedule import cosine
from model.train.stopping import stop_on_signals

Batch = dict[str, Any]
Losses = dict[str, Tensor]
_PREFETCHED = 4  # batches for each worker


@dataclass(frozen=True)
class Learner:
    """A recipe's inputs to the loop.

    Attributes:
        kind: the kind of its checkpoints.
        size: the encoder's size.
        about: metadata for its checkpoints, see `checkpoint`; a run resumes only if `digest`, that of its clips and
            labels, is the same.
        model: the model to train.
        groups: its parameter groups.
        dataset: the training clips.
        loss: (model as Accelerate wraps it, batch, CPU generator) → `loss`, which is minimised, and its parts.
        checkpoint_every: steps between two checkpoints.
        validate: model → scores; the highest `score` is the best. Called at each checkpoint.
    """

    kind: str
    size: Size
    about: Mapping[str, Any]
    model: nn.Module
    groups: list[dict[str, Any]]
    dataset: Clips
    loss: Callable[[nn.Module, Batch, torch.Generator], Losses]
    checkpoint_every: int
    validate: Callable[[nn.Module], dict[str, float]] | None = None


def plan_of(recipe: Recipe, clips: int, accelerator: Accelerator) -> Plan:
    """Make the plan of a recipe for a number of clips.

    Raises:
        ModelError: see `Plan`.
    """
    return Plan(
        clips=clips,
        batch=recipe.batch,
        batch_on_device=recipe.batch_on_device,
        processes=accelerator.num_processes,
        epochs=recipe.epochs,
        warmup_epochs=recipe.warmup_epochs,
        seed=recipe.seed,
    )


def accelerator_of(recipe: Recipe) -> Accelerator:
    """Set up this process's devices and precision, and make it keep freed memory (`memory`)."""
    keep_memory()
    torch.backends.cudnn.benchmark = True  # clips have one shape
    return Accelerator(mixed_precision=recipe.precision)


def shared_loader(clips: Clips, recipe: Recipe, accelerator: Accelerator) -> DataLoader[Batch]:
    """Return a loader of this process's share of clips, each once and in order."""
    mine = range(accelerator.process_index, len(clips), accelerator.num_processes)
    return DataLoader(
        Subset(cast("Dataset[Batch]", clips), mine),
        recipe.batch_on_device,
        num_workers=recipe.workers,
        multiprocessing_context="fork" if recipe.workers else None,
    )


class Loop:
    """One run, resumed from the last checkpoint in its folder if there is one.

    Args:
        recipe: the run's settings.
        plan: its steps.
        accelerator: its devices.
        learner: its model, data and loss.

    Raises:
        ModelError: the folder holds a run with other settings, clips or labels.
    """

    def __init__(self, recipe: Recipe, plan: Plan, accelerator: Accelerator, learner: Learner) -> None:
        self.recipe, self.plan, self.accelerator, self.learner = recipe, plan, accelerator, learner
        self._config = recipe.model_dump(mode="json")
        self._best: float | None = None
        self._scores: dict[str, float] = {}  # of the last validation
        self.step = 0
        mine = optimisers(learner.model, learner.groups, recipe.betas, recipe.muon_scale)
        state = checkpoint.load(path, learner.kind) if (path := recipe.out / checkpoint.LAST).exists() else None
        if state:
            self._resume(state, mine)
        self._average = self._averaged(state) if recipe.ema else None
        if recipe.recompute:
            recompute_blocks(learner.model)
        if recipe.compile:
            learner.model.compile()
        self._model, *self._optimisers = accelerator.prepare(learner.model, *mine)
        self._meter = Meter()

    def run(self) -> bool:
        """Train to the last step, or until a stop signal.

        Returns:
            Whether the run is complete; False after a stop signal, and the run can be resumed.

        Raises:
            ModelError: the loss is NaN or infinite.
        """
        accelerator, plan = self.accelerator, self.plan
        if self.step == plan.steps:  # a finished run that is run again
            return True
        batches = iter(self._loader())
        with contextlib.ExitStack() as stack:
            self._log = (
                RunLog(self.recipe.out, self.step, self.recipe.wandb, self._config)
                if accelerator.is_main_process
                else None
            )
            if self._log:
                stack.callback(self._log.close)
            self._bar = stack.enter_context(progress_bar(shown=accelerator.is_main_process))
            stop = stack.enter_context(stop_on_signals())
            self._shown = self._bar.add_task(self.learner.kind, total=plan.steps, completed=self.step, **BLANK)
            self._model.train()
            self._meter = Meter()
            stopping = False
            while self.step < plan.steps and not stopping:
                self._learn(batches)
                stopping = self._any_stops(stopping=stop.received)
                self._after_step(stopping=stopping)
        accelerator.wait_for_everyone()
        return self.step == plan.steps

    def _learn(self, batches: Iterator[Batch]) -> None:
        """Train one step, with gradient accumulation over its micro-batches."""
        accelerator, accumulated = self.accelerator, self.plan.accumulated
        for optimiser in self._optimisers:
            set_rate(optimiser, self._rate)
        for part in range(accumulated):
            with self._meter.waiting():
                batch = send_to_device(next(batches), accelerator.device, non_blocking=True)
            draw = _generator(self.recipe.seed, self.step, part, accelerator.process_index)
            # Processes exchange gradients once a step, after its last micro-batch.
            exchange = part == accumulated - 1
            with contextlib.nullcontext() if exchange else accelerator.no_sync(self._model):
                losses = self.learner.loss(self._model, batch, draw)
                accelerator.backward(losses["loss"] / accumulated)
            self._meter.add(losses, self.plan.batch_on_device * accelerator.num_processes)
        if self.recipe.clip_gradients:
            accelerator.clip_grad_norm_(self._model.parameters(), self.recipe.clip_gradients)
        for optimiser in self._optimisers:
            optimiser.step()
            optimiser.zero_grad()
        if self._average:
            self._average.update_parameters(accelerator.unwrap_model(self._model))
        self.step += 1

    def _after_step(self, *, stopping: bool) -> None:
        at_end = self.step == self.plan.steps
        checkpoint_due = at_end or self.step % self.learner.checkpoint_every == 0
        if checkpoint_due or stopping or self.step % self.recipe.log_every == 0:
            self._note()
        if checkpoint_due and self.learner.validate:
            self._validate(self.learner.validate)
        keep_every = (self.recipe.keep_every or 0) * self.plan.steps_per_epoch
        if keep_every and self.step % keep_every == 0:
            self._save(checkpoint.KEPT.format(self.step // self.plan.steps_per_epoch), {})
        if checkpoint_due or stopping:
            self._save(checkpoint.LAST, self._to_resume())
            self._meter = Meter()  # saving and validating are not training

    @property
    def _rate(self) -> float:
        recipe, plan = self.recipe, self.plan
        return cosine(
            self.step, steps=plan.steps, warmup=plan.warmup, peak=recipe.peak_rate, end=recipe.end_learning_rate
        )

    @property
    def _epoch(self) -> float:
        return self.step / self.plan.steps_per_epoch

    def _note(self) -> None:
        means = self._meter.read()
        if not math.isfinite(means["loss"]):
            raise ModelError(
                f"The loss is NaN or infinite at step {self.step}: lower the key learning_rate = "
                f"{self.recipe.learning_rate:g}, or resume from an earlier checkpoint."
            )
        if self._log:
            rate = max(group["lr"] for group in self._optimisers[-1].param_groups)
            self._log.note(self.step, self._epoch, {**means, "rate": rate})
        shown: dict[str, Any] = {name: means[name] for name in BLANK}
        self._bar.update(self._shown, completed=self.step, **shown | {"loss": f"{means['loss']:.4f}"})

    def _validate(self, validate: Callable[[nn.Module], dict[str, float]]) -> None:
        self._model.eval()
        scores = self._scores = validate(self._kept_model.eval())
        self._model.train()
        if self._log:
            self._log.note(self.step, self._epoch, {"validation": scores})
        if self._best is None or scores["score"] > self._best:
            self._best = scores["score"]
            self._save(checkpoint.BEST, {})

    def _save(self, name: str, more: Mapping[str, Any]) -> None:
        if not self.accelerator.is_main_process:
            return
        state = {
            "kind": self.learner.kind,
            "size": self.learner.size._asdict(),
            "about": dict(self.learner.about),
            "config": self._config,
            "model": self._kept_model.state_dict(),
            "step": self.step,
            "best": self._best,
            "scores": self._scores,
            **more,
        }
        checkpoint.save(self.recipe.out / name, state)

    @property
    def _kept_model(self) -> nn.Module:
        """The model that is validated and kept: with averaged weights if the recipe sets them."""
        model: nn.Module = self.accelerator.unwrap_model(self._model)
        return self._average.module if self._average else model

    def _averaged(self, state: Mapping[str, Any] | None) -> AveragedModel:
        """Begin or continue a moving average of the weights (all buffers are the model's own)."""
        rule = get_ema_multi_avg_fn(self.recipe.ema or 0.0)  # type: ignore[no-untyped-call]
        average = AveragedModel(self.learner.model, multi_avg_fn=rule)
        average.to(self.accelerator.device)
        if state:
            checkpoint.fill(average.module, state["model"], self.recipe.out / checkpoint.LAST)
            average.n_averaged.fill_(self.step)
        return average

    def _to_resume(self) -> dict[str, Any]:
        """Return the state with which a run can resume, besides that of all checkpoints."""
        state: dict[str, Any] = {"optimisers": [optimiser.state_dict() for optimiser in self._optimisers]}
        if self._average:
            state["trained"] = self.accelerator.unwrap_model(self._model).state_dict()
        return state

    def _resume(self, state: Mapping[str, Any], mine: Sequence[torch.optim.Optimizer]) -> None:
        out = self.recipe.out
        before = self.recipe.as_now(state["config"])
        if key := first_difference(before, self._config):
            raise ModelError(
                f"{out} holds a run with {key} = {before.get(key)!r}, and this one has "
                f"{self._config.get(key)!r}: name another folder with out=…, or give the same value."
            )
        clips = self.learner.about.get("digest")
        if state["about"].get("digest", clips) != clips:  # runs of before have none
            raise ModelError(
                f"{out} holds a run on other clips or labels than its data has now: name another folder with out=…."
            )
        checkpoint.fill(self.learner.model, state.get("trained", state["model"]), out / checkpoint.LAST)
        for optimiser, its in zip(mine, state["optimisers"], strict=True):
            optimiser.load_state_dict(its)
        self.step, self._best, self._scores = state["step"], state["best"], state.get("scores", {})

    def _loader(self) -> DataLoader[Batch]:
        workers = self.recipe.workers
        return DataLoader(
            cast("Dataset[Batch]", self.learner.dataset),
            batch_sampler=PlannedBatches(self.plan, self.accelerator.process_index, self.step),
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,  # forked workers share the clips held in memory
            prefetch_factor=_PREFETCHED if workers else None,
            pin_memory=self.accelerator.device.type == "cuda",
            worker_init_fn=_init_worker,
        )

    def _any_stops(self, *, stopping: bool) -> bool:
        """Return whether any process received a stop signal: all must stop after the same step."""
        if self.accelerator.num_processes == 1:
            return stopping
        votes = torch.tensor(int(stopping), device=self.accelerator.device)
        total: Tensor = self.accelerator.reduce(votes, reduction="sum")
        return bool(total.item())


def _generator(*place: int) -> torch.Generator:
    """Make a generator seeded by `place`, and seed PyTorch's global generator with the same."""
    seed = int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> np.uint64(1))
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def _init_worker(_: int) -> None:
    """Initialise a data loader's worker: ignore stop signals, use one thread.

    Ctrl-C reaches the whole process group, but the main process must finish its step first and then ends its workers.
    There are several workers, so one thread each is enough.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
