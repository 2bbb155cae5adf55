"""The tour in docs/training.md, on pictures of people: what it shows on fourteen clips is true."""

from __future__ import annotations

import csv
import json
from collections import Counter

import numpy as np
import pytest
from accelerate.state import AcceleratorState

from tests.videos import SHARED

LABELS = {"happy": "happiness", "happiness": "happiness", "neutral": "neutral", "surprise": "surprise"}
CLIPS = {"train": 14, "validation": 30}


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures with their labels, as the tour asks for; nobody in them taught the default model."""
    AcceleratorState._reset_state(reset_partial_state=True)
    arrays = [dict(np.load(path)) for path in sorted((SHARED / "real_faces").glob("pictures_*.npz"))]
    if not arrays:
        pytest.skip(f"the pictures of faces are not in {SHARED}")
    folder, rows, taken = tmp_path / "videos", [], Counter()
    folder.mkdir()
    for many in arrays:
        for number in np.flatnonzero((many["part"].astype(str) == "valid") & (many["person"] >= 0)):
            label = LABELS.get(str(many["labels"][number]))
            person = int(many["person"][number])
            part = ("train", "validation")[person % 2]
            if (
                label
                and taken[label, part] < -(-CLIPS[part] // 3)
                and sum(taken[a, part] for a in LABELS) < CLIPS[part]
            ):
                taken[label, part] += 1
                name = f"{len(rows)}.jpg"
                (folder / name).write_bytes(many["jpegs"][slice(*many["offsets"][number : number + 2])].tobytes())
                rows.append((name, f"p{person}", part, label))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "subject", "part", "expression"), *rows])
    assert Counter(part for _, _, part, _ in rows) == CLIPS
    return folder


def test_fourteen_clips_on_the_default_models_encoder_teach_more_than_chance(pictures, tmp_path, command):
    prepared, run = tmp_path / "prepared", tmp_path / "run"

    for arguments in (
        ("prepare", "csv", "--root", pictures, "--out", prepared, "--margin", "0.05", "--workers", "1"),
        ("finetune", "tiny_finetune", f"data.0.folder={prepared}", f"out={run}", "validate_every=10", "workers=0"),
    ):
        status, said = command(*arguments)
        assert status == 0, said

    noted = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in noted if "loss" in entry]
    assert len(losses) == 10
    assert losses[-1] < 0.8 * losses[0]
    [scores] = [entry["validation"] for entry in noted if "validation" in entry]
    assert scores["expression UAR"] > 0.6  # of three expressions: chance is a third
