from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from mien.contract.errors import BundleRefused, Misconfigured
from service.worker import onnx_model
from service.worker.onnx_model import OnnxModel, choose_provider, open_models
from service.worker.precision import Trial
from service.worker.settings import WorkerSettings
from tests.bundles import COLUMNS, DIMENSIONS, EXPRESSION, PERSONALITY, brightness, write_bundle

CLIP = (4, 16, 16, 3)
ALL = {kind: COLUMNS[kind] for kind in ("expression", "dimensions", "personality")}


def _open(*folders: Path):
    return open_models(folders, ["cpu"])


def test_the_default_bundle_opens_and_scores_in_its_ranges():
    [model] = open_models(WorkerSettings().bundles, ["cpu"])

    clips = np.random.default_rng(0).integers(0, 256, (2, *model.manifest.input.shape), np.uint8)
    scored = model.run(clips)

    assert model.provider == "cpu"
    assert {task.kind for task in model.manifest.tasks} == set(scored[0]) == {"expression", "dimensions", "personality"}
    for row in scored:
        assert row["expression"].sum() == pytest.approx(1, abs=1e-4)
        assert np.all(row["expression"] >= 0)
        assert np.all((row["personality"] >= 0) & (row["personality"] <= 1))
        assert np.all(np.abs(row["dimensions"]) <= 1)


def test_each_clip_gets_its_row_of_each_task(tmp_path: Path):
    [model] = _open(write_bundle(tmp_path / "b"))
    clips = np.stack([np.full(CLIP, value, np.uint8) for value in (0, 51, 255, 102)])

    scored = model.run(clips)

    for row, m in zip(scored, (0, 0.2, 1, 0.4), strict=True):
        assert row["expression"] == pytest.approx([1 - m, m], abs=1e-6)
        assert row["dimensions"] == pytest.approx([2 * m - 1, 10 * m], abs=1e-5)
        assert row["personality"] == pytest.approx([m, 0.25], abs=1e-6)


def test_a_model_says_what_it_serves(tmp_path: Path):
    [model] = _open(write_bundle(tmp_path / "b", trained=False))

    assert model.info.model_dump(exclude={"sha256"}) == {
        "name": "tiny", "version": "1.0", "trained": False, "tasks": ["expression", "dimensions", "personality"],
        "precision": "float32",
    }  # fmt: skip
    served = model.served
    assert (served.labels, served.dimensions) == (["dark", "bright"], ["valence", "arousal"])
    assert served.traits == ["openness", "neuroticism"]
    assert (served.window_s, served.hop_s, served.licence) == (0.4, 0.2, "MIT")
    assert served.trained_on == model.manifest.training.data != ""


def test_a_models_memory_is_there_before_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run, sizes = onnxruntime.InferenceSession.run, []

    def noted(self, names, feeds):
        sizes.append(len(feeds["clip"]))
        return run(self, names, feeds)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", noted)

    [model] = _open(write_bundle(tmp_path / "b"))

    assert sizes == [model.batch_sizes[-1]] == [4]


SPIN = "session.intra_op.spin_duration_us"


def test_a_processors_model_neither_keeps_memory_for_each_shape_nor_spins_for_long(tmp_path, monkeypatch):
    opened = []

    class Noted(onnxruntime.InferenceSession):
        def __init__(self, *args, sess_options, **options):
            opened.append((sess_options.enable_mem_pattern, sess_options.get_session_config_entry(SPIN)))
            super().__init__(*args, sess_options=sess_options, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Noted)

    _open(write_bundle(tmp_path / "b"))

    assert opened == [(False, "50")]


@pytest.mark.parametrize(("precision", "hint"), [("float32", "f32"), ("bfloat16", "bf16")])
def test_openvino_is_told_the_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision, hint: str):
    told, openvino = [], "OpenVINOExecutionProvider"

    class Openvino(onnxruntime.InferenceSession):
        def __init__(self, path, *, providers, **options):
            told.append((Path(path).name, *providers))
            super().__init__(path, providers=["CPUExecutionProvider"], **options)

        def get_providers(self):
            return [openvino, *super().get_providers()]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Openvino)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [openvino])

    [model] = open_models([write_bundle(tmp_path / "b")], ["openvino", "cpu"], precision=precision)

    [(graph, (provider, settings))] = told
    assert (model.info.precision, graph, provider) == (precision, "model.onnx", openvino)
    assert settings["device_type"] == "CPU"
    assert json.loads(settings["load_config"]) == {"CPU": {"INFERENCE_PRECISION_HINT": hint}}


def _with_int8(folder: Path) -> Path:
    """A bundle whose int8 variant can be told from the float32 graph by its scores of personality."""
    shifted = brightness(CLIP, {**ALL, "personality": [(1, 0), (0, 0.255)]})
    return write_bundle(folder, variants={"int8": shifted})


def _scored_in(model: OnnxModel) -> str:
    [scored] = model.run(np.zeros((1, *CLIP), np.uint8))
    return {0.25: "float32", 0.255: "int8"}[round(float(scored["personality"][1]), 4)]


@pytest.mark.parametrize(("clips_per_s", "chosen"), [(150, "int8"), (110, "float32")])
def test_the_faster_graph_is_served_and_said_to_be(tmp_path: Path, monkeypatch, clips_per_s: float, chosen: str):
    trials = {"float32": Trial(100, 0), "int8": Trial(clips_per_s, 0.005)}
    monkeypatch.setattr(onnx_model, "try_out", lambda *_: trials)

    [model] = _open(_with_int8(tmp_path / "b"))

    assert (model.info.precision, model.served.precision, _scored_in(model)) == (chosen, chosen, chosen)
    assert model.trials == trials


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_precision_that_is_asked_for_is_served_without_a_trial(tmp_path: Path, precision):
    [model] = open_models([_with_int8(tmp_path / "b")], ["cpu"], precision=precision)

    assert (model.info.precision, _scored_in(model), model.trials) == (precision, precision, {})


def test_a_variant_that_cannot_be_opened_is_refused_with_what_to_do(tmp_path: Path):
    folder = _with_int8(tmp_path / "b")
    (folder / "model.int8.onnx").write_bytes(b"nonsense")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["model.int8.onnx"] = hashlib.sha256(b"nonsense").hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(BundleRefused, match=r"model\.int8\.onnx: .*MIEN_PRECISION=float32"):
        _open(folder)


def test_a_variant_of_another_shape_is_refused(tmp_path: Path):
    folder = write_bundle(tmp_path / "b", variants={"int8": brightness((8, 16, 16, 3), ALL)})

    with pytest.raises(BundleRefused, match=r"model\.int8\.onnx takes"):
        _open(folder)


def test_a_graph_that_was_tampered_with_is_refused(tmp_path: Path):
    folder = write_bundle(tmp_path / "b")
    graph = bytearray((folder / "model.onnx").read_bytes())
    graph[-1] ^= 1
    (folder / "model.onnx").write_bytes(graph)

    with pytest.raises(BundleRefused, match="sha256 differs"):
        _open(folder)


def test_a_graph_that_is_none_is_refused(tmp_path: Path):
    nonsense = hashlib.sha256(b"nonsense").hexdigest()
    folder = write_bundle(tmp_path / "b", files={"model.onnx": nonsense})
    (folder / "model.onnx").write_bytes(b"nonsense")

    with pytest.raises(BundleRefused, match="ONNX Runtime cannot open"):
        _open(folder)


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (brightness(CLIP, ALL, input_name="video"), "one uint8 tensor named clip"),
        (brightness(CLIP, ALL, input_type=TensorProto.FLOAT), "one uint8 tensor named clip"),
        (brightness((8, 16, 16, 3), ALL), "takes"),
        (brightness((4, 32, 32, 3), ALL), "takes"),
        (brightness((4, 3, 16, 16), ALL), "takes"),
        (brightness(CLIP, ALL, batch=1), "with any B"),
        (brightness(CLIP, {**ALL, "expression": [(1, 0)] * 3}), "no float32 output expression of 2 columns"),
        (brightness(CLIP, {**ALL, "personality": [(1, 0)]}), "no float32 output personality of 2 columns"),
        (
            brightness(CLIP, {"expression": ALL["expression"], "dimensions": ALL["dimensions"]}),
            "no float32 output personality",
        ),
        (brightness(CLIP, ALL, embedding="pooled"), "no output embedding"),
    ],
    ids=[
        "input name",
        "float input",
        "frames",
        "size",
        "layout",
        "fixed batch",
        "labels",
        "traits",
        "task",
        "embedding",
    ],
)
def test_a_graph_that_does_not_match_its_manifest_is_refused(tmp_path: Path, graph, reason: str):
    folder = write_bundle(tmp_path / "b", graph=graph)

    with pytest.raises(BundleRefused, match=reason):
        _open(folder)


def test_two_bundles_for_one_task_are_refused_by_name(tmp_path: Path):
    one = write_bundle(tmp_path / "one", [EXPRESSION, DIMENSIONS], name="one")
    two = write_bundle(tmp_path / "two", [DIMENSIONS, PERSONALITY], name="two")

    with pytest.raises(BundleRefused, match="one and two both serve dimensions"):
        _open(one, two)


def test_bundles_with_tasks_of_their_own_are_served_together(tmp_path: Path):
    one = write_bundle(tmp_path / "one", [EXPRESSION, DIMENSIONS], name="one")
    two = write_bundle(tmp_path / "two", [PERSONALITY], name="two", size=8)

    assert [model.manifest.name for model in _open(one, two)] == ["one", "two"]


def test_a_graphics_card_that_is_not_there_is_an_error_and_never_a_silent_processor(tmp_path: Path):
    missing = [name for name in ("tensorrt", "cuda") if not _has(name)]
    if not missing:
        pytest.skip("this ONNX Runtime has them all")

    with pytest.raises(Misconfigured, match=f"None of the providers {missing[0]}"):
        open_models([write_bundle(tmp_path / "b")], [missing[0]])


@pytest.mark.parametrize("tf32", [False, True])
def test_a_graphics_card_computes_float32_in_tf32_only_if_it_is_told_to(tmp_path: Path, monkeypatch, tf32: bool):
    opened = []

    def refuse(*_, providers, **__):
        opened.extend(providers)
        raise RuntimeError("no GPU")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)

    with pytest.raises(BundleRefused, match="no GPU"):
        OnnxModel(write_bundle(tmp_path / "b"), "cuda", tf32=tf32)

    assert {settings["use_tf32"] for _, settings in opened} == {str(int(tf32))}


def test_the_first_provider_that_can_be_had_is_taken():
    assert choose_provider(["cpu"]) == "cpu"
    if not _has("cuda"):
        assert choose_provider(["cuda", "cpu"]) == "cpu"


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_fails_to_load_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """ONNX Runtime lists what it was built with, and goes on with the processor where the driver is missing."""
    folder = write_bundle(tmp_path / "b")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    if _loads_cuda():
        pytest.skip("there is a GPU here")

    with pytest.raises(Misconfigured, match="CUDAExecutionProvider could not be loaded on this machine"):
        open_models([folder], ["cuda"])


def _has(name: str) -> bool:
    return any(name in provider.lower() for provider in onnxruntime.get_available_providers())


def _loads_cuda() -> bool:
    return Path("/proc/driver/nvidia").exists()
