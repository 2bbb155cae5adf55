"""Training speed: `make bench-train`, or `python -m tests.bench.training` with sizes for some of them, or `reading`.

Steps of pre-training and fine-tuning on random clips at the size's own input, each in a process of its own; then what
a loader process reads from videos, with the paper's augmentation, and how many an H100 needs. Figures go to stdout.
"""

from __future__ import annotations

import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from mien.contract.bundle import ExpressionTask, FaceCrop
from model.data import shards
from model.data.augment import Augmentation, FinetuneAugmentation, PretrainAugmentation
from model.data.clip_dataset import ClipDataset
from model.data.mix import Mix
from model.data.prepared import ClipRow, Prepared, Region, write_prepared
from model.data.vocabulary import EXPRESSIONS
from model.finetune import LabelLosses, label_loss
from model.pretrain import pretraining_loss
from model.tpsbt.affect_model import AffectModel
from model.tpsbt.autoencoder import DECODERS, MaskedAutoencoder
from model.tpsbt.zoo import ZOO
from model.train.config import ClipShape
from model.train.loop import Batch
from model.train.memory import keep_memory
from model.train.optim import finetuning_groups, optimisers, pretraining_groups, set_rate
from model.train.sources import clip_input
from tests.videos import face_video

BATCH = 4
STEPS = 5
CLIPS = 40  # read by a loader process
CARD = 1209  # clips a second that an H100 pre-trains on at base size, see docs/training.md
PIXELS = {"base": 160, "small": 160, "tiny": 112}
TASK = ExpressionTask(labels=EXPRESSIONS)


def recipe_of(size: str, kind: str, clips: int = BATCH) -> tuple[nn.Module, Batch, Callable[..., dict[str, Tensor]]]:
    """Return the model of a recipe, a batch of random clips, and the function that computes its losses."""
    row, pixels = ZOO[size], PIXELS[size]
    batch = {
        "pixels": torch.randint(256, (clips, 16, pixels, pixels, 3), dtype=torch.uint8),
        "labels": {"expression": torch.eye(len(TASK.labels))[torch.arange(clips)]},
    }
    if kind == "pretrain":
        return MaskedAutoencoder(row, DECODERS[size]), batch, pretraining_loss
    return AffectModel(row, (TASK,), 0.1, (16, pixels)), batch, label_loss((TASK,), LabelLosses(mix=Mix()))


def steps(size: str, kind: str, precision: str) -> dict[str, float]:
    """Take a few steps; return the median's clips a second, and the process's peak memory in GiB."""
    keep_memory()
    model, batch, loss_of = recipe_of(size, kind)
    if kind == "pretrain":
        groups = pretraining_groups(model, 0.05)
    else:
        groups = finetuning_groups(model, ZOO[size].depths, weight_decay=0.05, layer_decay=0.75)
    (optimiser,) = optimisers(model, groups, (0.9, 0.95))
    set_rate(optimiser, 1e-5)
    seconds = []
    for step in range(STEPS + 1):
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = loss_of(model.train(), batch, torch.Generator().manual_seed(step))["loss"]
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"clips_per_s": BATCH / statistics.median(seconds[1:]), "peak_gib": peak}


def reading(folder: Path, augment: Augmentation, *, sharded: bool) -> float:
    """Return the clips that a loader process reads at base size in a second of a core, from videos like VoxCeleb2's."""
    video = face_video(folder / "face.mp4", seconds=8, size=(224, 224))
    region = Region(left=32, top=0, width=160, height=160)
    prepared = Prepared(
        name="bench",
        tasks=(),
        protocol="fixed",
        parts=("train",),
        interval_s=0.16,
        crop=FaceCrop(margin=0.2),
        region=region,
        shards=sharded,
    )
    write_prepared(folder, prepared)
    rows = [ClipRow(id=str(index), media=str(video), part="train") for index in range(CLIPS)]
    if sharded:
        [shard] = shards.plan(folder, rows)
        shards.write(shard, folder)
        rows = [row.model_copy(update={"media": f"shards/{shard.path.name}/{key}"}) for key, row in shard.clips]
    clip = clip_input(ClipShape(), prepared.interval_s)
    clips = ClipDataset(folder, rows, tasks=(), clip=clip, interval_s=clip.interval_s, mode="train", augment=augment)
    torch.set_num_threads(1)
    clips[0]
    started = time.process_time()
    for index in range(len(rows)):
        clips[index]
    return len(rows) / (time.process_time() - started)


def main(sizes: list[str]) -> None:
    if sizes != ["reading"]:
        steps_of(sizes or ["base", "tiny"])
    read()


def steps_of(sizes: list[str]) -> None:
    print(f"batch {BATCH}, {torch.get_num_threads()} threads, median of {STEPS} steps")
    for size in sizes:
        for kind in ("pretrain", "finetune"):
            for precision in ("fp32", "bf16"):
                command = [sys.executable, "-m", "tests.bench.training", "--one", size, kind, precision]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                found = json.loads(done.stdout)
                speed, peak = found["clips_per_s"], found["peak_gib"]
                each = f"{speed:7.2f} clips/s, {1 / speed:6.3f} s a clip, peak {peak:4.1f} GiB"
                print(f"{size:5} {kind:8} {precision}: {each}", flush=True)


def read() -> None:
    print("one loader process on a core of its own, 16 frames of 160×160 from 8 s of 224×224 H.264:")
    for augment, sharded in (
        (PretrainAugmentation(), False),
        (PretrainAugmentation(), True),
        (FinetuneAugmentation(), False),
    ):
        with tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
            speed = reading(Path(folder), augment, sharded=sharded)
        where = "tar shards" if sharded else "files"
        print(
            f"  {type(augment).__name__} from {where}: {speed:.1f} clips/s; "
            f"{math.ceil(CARD / speed)} processes for a card that takes {CARD}",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(steps(*sys.argv[2:])))
    else:
        main(sys.argv[1:])
