import json
import multiprocessing
import os
import signal
import sys
import time
from functools import partial, partialmethod
from types import SimpleNamespace

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import nn

from model.errors import ModelError
from model.pretrain import PretrainRecipe, pretraining_loss
from model.tasks.learnt import SideTask
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.autoencoder import DecoderSize, MaskedAutoencoder
from model.train import checkpoint
from model.train.loop import Learner, Loop, accelerator_of, plan_of
from model.train.optim import pretraining_groups


class Clips:
    """Noise that depends on (epoch, index)."""

    def __len__(self):
        return 10

    def __getitem__(self, key):
        epoch, index = key
        generator = torch.Generator().manual_seed(100 * epoch + index)
        return {"pixels": torch.randint(256, (8, 32, 32, 3), dtype=torch.uint8, generator=generator)}


@pytest.fixture(autouse=True)
def _as_in_a_new_process():
    """Accelerate keeps its settings for as long as a process lives."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


class Killed(Exception):
    pass


@pytest.fixture
def start(micro, tmp_path):
    """Set a run up; `kill_at` ends it in the middle of a step, as a crash would."""

    def start(folder="run", kill_at=None, loss=pretraining_loss, validate=None, about=None, **changes):
        recipe = PretrainRecipe(
            **{
                "out": tmp_path / folder,
                "data": [{"folder": "none"}],
                "epochs": 3,
                "warmup_epochs": 1,
                "batch": 4,
                "batch_on_device": 2,
                "learning_rate": 0.1,
                "end_learning_rate": 1e-6,
                "betas": (0.9, 0.95),
                "workers": 0,
                "log_every": 1,
                "checkpoint_every": 3,
                **changes,
            }
        )
        torch.manual_seed(recipe.seed)
        model = MaskedAutoencoder(micro, DecoderSize(width=24, heads=2, depth=1))
        calls = []

        def mortal(model, batch, draw):
            calls.append(None)
            if kill_at is not None and loop.step == kill_at and len(calls) % 2 == 0:
                raise Killed
            return loss(model, batch, draw)

        learner = Learner(
            kind="pretraining",
            size=micro,
            about={"clip": {"frames": 8}, **(about or {})},
            model=model,
            groups=pretraining_groups(model, recipe.weight_decay),
            dataset=Clips(),
            loss=mortal,
            checkpoint_every=recipe.checkpoint_every,
            validate=validate,
        )
        accelerator = accelerator_of(recipe)
        loop = Loop(recipe, plan_of(recipe, len(learner.dataset), accelerator), accelerator, learner)
        return loop

    return start


def log(loop):
    return [json.loads(line) for line in (loop.recipe.out / "log.jsonl").read_text().splitlines()]


def losses(loop):
    return [(line["step"], line["loss"]) for line in log(loop) if "loss" in line]


def weights(loop):
    return checkpoint.load(loop.recipe.out / "last.pt")["model"]


@pytest.mark.parametrize(("workers", "muon_scale"), [(0, None), (2, None), (0, 10)])
def test_stopped_and_gone_on_with_equals_unbroken_bit_for_bit(start, workers, muon_scale):
    start = partial(start, muon_scale=muon_scale)
    unbroken = start("unbroken", workers=workers)
    assert unbroken.run()

    with pytest.raises(Killed):
        start("stopped", kill_at=4, workers=workers).run()  # its last checkpoint is of step 3, in the second epoch
    stopped = start("stopped", workers=2 - workers)
    assert stopped.step == 3
    assert stopped.run()

    assert losses(stopped) == losses(unbroken)
    assert [step for step, _ in losses(stopped)] == [1, 2, 3, 4, 5, 6]
    expected, found = weights(unbroken), weights(stopped)
    assert all(weight.equal(found[name]) for name, weight in expected.items())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_signal_lets_the_step_end_and_is_gone_on_from(start, workers):
    start = partial(start, workers=workers)
    unbroken = start("unbroken")
    unbroken.run()

    def interrupted(model, batch, draw):
        if loop.step == 1:  # a terminal or a supervisor asks the whole group of processes
            for pid in (*(child.pid for child in multiprocessing.active_children()), os.getpid()):
                os.kill(pid, signal.SIGTERM)
            time.sleep(0.2)
        return pretraining_loss(model, batch, draw)

    before = signal.getsignal(signal.SIGTERM)
    loop = start("stopped", loss=interrupted)

    # It may ask twice within a step, whose second request would end the process: once is enough.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert not loop.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert loop.step == 2
    again = start("stopped")
    assert again.step == 2
    assert again.run()

    assert losses(again) == losses(unbroken)


def test_accumulated_batches_take_the_same_step_as_one_large_batch(start):
    def without_chance(model, batch, draw):
        return pretraining_loss(model, batch, torch.Generator().manual_seed(0))

    def same_mask(model, batch, draw):
        parts = [
            pretraining_loss(model, {"pixels": part}, torch.Generator().manual_seed(0))
            for part in batch["pixels"].split(2)
        ]
        return {"loss": torch.stack([part["loss"] for part in parts]).mean()}

    accumulated, whole = start("a", loss=without_chance), start("b", loss=same_mask, batch_on_device=4)
    accumulated.run()
    whole.run()

    for (_, one), (_, two) in zip(losses(accumulated), losses(whole), strict=True):
        assert one == pytest.approx(two, rel=1e-4)


def test_the_journal_has_rate_speed_and_waiting(start):
    loop = start()
    loop.run()

    lines = log(loop)
    peak = 0.1 * 4 / 256
    assert [line["rate"] for line in lines[:2]] == pytest.approx([peak / 2, peak])
    assert lines[-1]["rate"] < lines[2]["rate"]
    assert [line["epoch"] for line in lines] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert all(line["clips_per_s"] > 0 and 0 <= line["waiting"] <= 1 for line in lines)


def test_the_best_checkpoint_is_the_one_that_validates_best(start):
    scores = iter([0.3, 0.9, 0.2, 0.8, 0.1, 0.4])

    loop = start(validate=lambda model: {"score": next(scores)}, checkpoint_every=1)
    loop.run()

    best = checkpoint.load(loop.recipe.out / "best.pt", "pretraining")
    assert (best["step"], best["scores"], best["best"]) == (2, {"score": 0.9}, 0.9)
    assert checkpoint.load(loop.recipe.out / checkpoint.LAST)["scores"] == {"score": 0.4}
    assert "optimisers" not in best
    assert [line["validation"]["score"] for line in log(loop) if "validation" in line] == [0.3, 0.9, 0.2, 0.8, 0.1, 0.4]


def test_a_finished_run_has_nothing_left_to_do(start):
    start().run()
    loop = start()

    assert loop.step == 6
    assert loop.run()
    assert len(losses(loop)) == 6


def test_a_folder_with_another_run_is_refused(start):
    start().run()

    with pytest.raises(ModelError, match=r"holds a run with learning_rate = 0\.1, and this one has 0\.2"):
        start(learning_rate=0.2)


def test_a_run_is_not_resumed_on_other_clips_and_one_that_did_not_note_its_clips_is(start):
    start("old").run()
    assert start("old", about={"digest": "new"}).step == 6

    start(about={"digest": "one"}).run()
    assert start(about={"digest": "one"}).step == 6
    with pytest.raises(ModelError, match="holds a run on other clips or labels than its data has now"):
        start(about={"digest": "other"})


def test_a_checkpoint_of_another_kind_is_refused(start, micro, tasks, tmp_path):
    model = AffectModel(micro, tasks).state_dict()
    state = {"kind": "finetuning", "size": micro._asdict(), "about": {}, "model": model}
    checkpoint.save(tmp_path / "run" / "last.pt", state)

    with pytest.raises(ModelError, match="is a checkpoint of finetuning; pretraining was expected"):
        start()


def test_a_loss_that_is_no_number_ends_the_run_with_a_sentence(start):
    def broken(model, batch, draw):
        return {"loss": pretraining_loss(model, batch, draw)["loss"] * float("nan")}

    with pytest.raises(ModelError, match="NaN or infinite at step 1: lower the key learning_rate"):
        start(loss=broken).run()


def test_bfloat16_computes_close_to_float32_and_keeps_float32_weights(start):
    exact = start("exact")
    exact.run()
    AcceleratorState._reset_state(reset_partial_state=True)
    rough = start("rough", precision="bf16")
    rough.run()

    assert all(weight.dtype == torch.float32 for weight in weights(rough).values())
    assert losses(rough) != losses(exact)
    for (_, one), (_, two) in zip(losses(rough), losses(exact), strict=True):
        assert one == pytest.approx(two, rel=0.02)


def test_a_finished_run_that_is_run_again_shows_nothing_and_changes_nothing(start, monkeypatch):
    start().run()
    before = log(start())
    monkeypatch.setattr("model.train.loop.progress_bar", lambda **_: pytest.fail("a bar without a value"))

    again = start()

    assert again.run()
    assert log(again) == before


def test_recomputed_blocks_learn_the_same(start):
    kept, recomputed = start("kept"), start("recomputed", recompute=True)

    kept.run()
    recomputed.run()

    assert dict(losses(kept)) == pytest.approx(dict(losses(recomputed)))
    assert list(weights(kept)) == list(weights(recomputed))


@pytest.fixture
def captured(monkeypatch):
    """Compile with the first step of torch.compile alone, which fails where a model is not one graph.

    The last step, to machine code, needs a C++ compiler and takes minutes.
    """
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="eager", fullgraph=True))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield torch._dynamo.utils.counters["stats"]
    torch._dynamo.reset()


def test_a_compiled_model_learns_the_same_and_is_kept_under_the_same_names(start, captured):
    plain, compiled = start("plain", epochs=1), start("compiled", epochs=1, compile=True)

    plain.run()
    assert not captured["unique_graphs"]
    compiled.run()

    assert captured["unique_graphs"] > 0
    assert dict(losses(compiled)) == pytest.approx(dict(losses(plain)), rel=1e-5)
    assert list(weights(compiled)) == list(weights(plain))


def test_a_model_for_fine_tuning_compiles_as_one_graph_too(micro, tasks, captured):
    side = SideTask(kind="units", names=("AU1", "AU12"))
    model = AffectModel(micro, [*tasks, side], stochastic_depth=0.1, clip=(8, 32)).train()
    clips = torch.randn(2, 3, 8, 32, 32)
    torch.manual_seed(1)
    expected = model(clips).outputs

    model.compile()

    torch.manual_seed(1)
    for kind, output in model(clips).outputs.items():
        torch.testing.assert_close(output, expected[kind])
    assert captured["unique_graphs"] == 1


def test_clipped_gradients_move_the_weights_less(start):
    clipped, free = start("clipped", clip_gradients=1e-12, weight_decay=0), start("free", weight_decay=0)
    begun = {name: weight.clone() for name, weight in clipped.learner.model.state_dict().items()}

    clipped.run()
    free.run()

    def moved(loop):
        return max((weight - begun[name]).abs().max().item() for name, weight in weights(loop).items())

    assert moved(clipped) < 0.1 * moved(free)


def test_the_average_of_the_weights_is_kept_and_goes_on_where_it_was(start):
    unbroken = start("unbroken", ema=0.5)
    unbroken.run()
    with pytest.raises(Killed):
        start("broken", ema=0.5, kill_at=4).run()
    broken = start("broken", ema=0.5)
    broken.run()

    state, other = (checkpoint.load(loop.recipe.out / "last.pt") for loop in (unbroken, broken))

    for part in ("model", "trained"):
        assert all(torch.equal(weight, other[part][name]) for name, weight in state[part].items())
    assert not all(torch.equal(weight, state["trained"][name]) for name, weight in state["model"].items())


def test_checkpoints_are_kept_every_so_many_epochs(start):
    loop = start(keep_every=2)

    loop.run()

    assert sorted(path.name for path in loop.recipe.out.glob("epoch_*")) == ["epoch_0002.pt"]
    assert checkpoint.load(loop.recipe.out / "epoch_0002.pt")["step"] == 4


def test_a_run_that_was_begun_before_a_key_was_known_goes_on(start):
    with pytest.raises(Killed):
        start(kill_at=4).run()
    path = start().recipe.out / "last.pt"
    state = checkpoint.load(path)
    for key in ("ema", "clip_gradients", "held_out", "start"):
        del state["config"][key]
    torch.save(state, path)

    assert start().run()


def test_weights_and_biases_is_optional_and_an_error_where_missing(start, monkeypatch):
    seen = []
    fake = SimpleNamespace(
        init=lambda **about: SimpleNamespace(
            log=lambda values, step: seen.append((step, values)), finish=lambda: seen.append(about["project"])
        )
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    start("there", wandb="faces").run()
    assert seen[-1] == "faces"
    assert "loss" in seen[0][1]

    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ModelError, match="pip install wandb"):
        start("missing", wandb="faces").run()
