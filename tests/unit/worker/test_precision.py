from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mien.contract.bundle import Manifest, read_bundle
from mien.contract.errors import Misconfigured
from service.worker.precision import Trial, candidates, choose, try_out
from tests.bundles import COLUMNS, brightness, write_bundle

GRAPH = brightness((4, 16, 16, 3), COLUMNS)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return read_bundle(write_bundle(tmp_path / "b", variants={"int8": GRAPH, "float16": GRAPH}))[0]


@pytest.mark.parametrize(
    ("provider", "wanted", "found"),
    [
        ("cpu", "auto", ("float32", "int8")),
        ("cuda", "auto", ("float32", "float16")),
        ("tensorrt", "auto", ("float32", "float16")),
        ("openvino", "auto", ("float32", "bfloat16")),
        ("openvino", "bfloat16", ("bfloat16",)),
        ("cpu", "float32", ("float32",)),
        ("cpu", "float16", ("float16",)),
    ],
)
def test_what_suits_the_provider_is_tried_unless_one_is_named(manifest, tmp_path, provider, wanted, found):
    assert candidates(tmp_path, manifest, provider, wanted) == found


def test_without_variants_there_is_nothing_to_try(tmp_path: Path):
    manifest, _ = read_bundle(write_bundle(tmp_path / "plain"))

    assert candidates(tmp_path, manifest, "cpu", "auto") == ("float32",)


def test_only_openvino_computes_in_bfloat16(manifest: Manifest, tmp_path: Path):
    with pytest.raises(
        Misconfigured, match=r"cpu does not compute in bfloat16\. .* name openvino first in MIEN_PROVIDERS"
    ):
        candidates(tmp_path, manifest, "cpu", "bfloat16")


def test_a_precision_that_a_bundle_does_not_hold_is_refused_with_what_to_do(tmp_path: Path):
    manifest, _ = read_bundle(write_bundle(tmp_path / "plain", variants={"int8": GRAPH}))

    with pytest.raises(Misconfigured, match=r"plain holds no graph in float16, only in float32, int8\. .*--float16"):
        candidates(tmp_path / "plain", manifest, "cpu", "float16")


@pytest.mark.parametrize(
    ("int8", "chosen"),
    [
        (Trial(121, 0.001), "int8"),
        (Trial(119, 0.001), "float32"),
        (Trial(50, 0.001), "float32"),
        (Trial(500, 0.011), "float32"),
        (Trial(500, math.nan), "float32"),
    ],
    ids=["faster", "hardly faster", "slower", "far off", "no numbers"],
)
def test_a_variant_is_taken_if_it_is_clearly_faster_and_close(int8: Trial, chosen: str):
    assert choose({"float32": Trial(100, 0), "int8": int8}) == chosen


def test_float32_stays_where_it_gives_no_numbers_itself():
    assert choose({"float32": Trial(100, math.nan), "int8": Trial(200, math.nan)}) == "float32"


def test_the_fastest_of_several_is_taken():
    trials = {"float32": Trial(100, 0), "int8": Trial(150, 0), "float16": Trial(200, 0)}

    assert choose(trials) == "float16"


def test_a_trial_measures_the_largest_difference_as_a_share_of_each_range(manifest: Manifest):
    def run(*offsets: float):
        shapes = (2, 2, 2)  # expression, dimensions (one of them from 0 to 10), personality
        return lambda clips: [np.full((len(clips), n), by, np.float32) for n, by in zip(shapes, offsets, strict=True)]

    trials = try_out({"float32": run(0, 0, 0), "int8": run(0.01, 0.04, 0), "float16": run(0, 0, math.nan)}, manifest)

    assert trials["float32"].difference == 0
    assert trials["int8"].difference == pytest.approx(0.02)  # 0.04 of [-1, 1]
    assert math.isnan(trials["float16"].difference)
    assert all(trial.clips_per_s > 0 for trial in trials.values())
