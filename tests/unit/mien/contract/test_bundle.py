from __future__ import annotations

import hashlib
from typing import Any

import pytest

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, PersonalityTask, file_sha256, read_bundle
from mien.contract.errors import BundleRefused


def test_a_sound_bundle_is_read_and_named_by_its_manifests_digest(bundle):
    manifest, sha256 = read_bundle(bundle.write())

    assert (manifest.name, manifest.version, manifest.hop_s) == ("tiny", "1.0", 0.5)
    assert manifest.input.shape == (4, 8, 8, 3)
    assert manifest.tasks[0].labels == ("calm", "glad")
    assert sha256 == hashlib.sha256((bundle.path / "manifest.json").read_bytes()).hexdigest()


def test_a_file_that_differs_from_its_digest_is_refused(bundle):
    bundle.write()
    (bundle.path / "model.onnx").write_bytes(b"grapH")

    with pytest.raises(BundleRefused, match=r"model\.onnx does not match .* its sha256 differs"):
        read_bundle(bundle.path)


@pytest.mark.parametrize("name", ["model.onnx", "MODEL_CARD.md"])
def test_a_file_that_is_missing_is_refused(bundle, name: str):
    bundle.write()
    (bundle.path / name).unlink()

    with pytest.raises(BundleRefused, match=f"lists {name}, which is not in the folder"):
        read_bundle(bundle.path)


@pytest.mark.parametrize("name", ["../outside", "sub/../../outside", "sub/inside", ".", "..", ""])
def test_a_file_name_that_leads_out_of_the_folder_is_refused(bundle, name: str):
    outside = bundle.path.parent / "outside"
    outside.write_text("secret")
    (bundle.path / "sub").mkdir()
    (bundle.path / "sub" / "inside").write_text("secret")
    bundle.manifest["files"][name] = file_sha256(outside)
    bundle.write()

    with pytest.raises(BundleRefused, match="not in the folder"):
        read_bundle(bundle.path)


def test_an_absolute_file_name_is_refused(bundle):
    outside = bundle.path.parent / "outside"
    outside.write_text("secret")
    bundle.manifest["files"][str(outside)] = file_sha256(outside)

    with pytest.raises(BundleRefused, match="not in the folder"):
        read_bundle(bundle.write())


def test_a_folder_without_a_manifest_is_refused(bundle):
    with pytest.raises(BundleRefused, match=r"manifest\.json cannot be read"):
        read_bundle(bundle.path)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_manifest_that_is_not_one_is_refused(bundle, text: bytes):
    (bundle.path / "manifest.json").write_bytes(text)

    with pytest.raises(BundleRefused, match="is not a manifest"):
        read_bundle(bundle.path)


def test_an_earlier_manifest_has_no_variants(bundle):
    manifest, _ = read_bundle(bundle.write())

    assert manifest.variants == ()
    assert manifest.graphs == {"float32": "model.onnx"}


def test_a_bundle_holds_its_graph_in_other_precisions(bundle):
    (bundle.path / "model.int8.onnx").write_bytes(b"small")
    bundle.manifest["variants"] = [variant("int8")]
    bundle.manifest["files"]["model.int8.onnx"] = file_sha256(bundle.path / "model.int8.onnx")

    manifest, _ = read_bundle(bundle.write())

    assert manifest.graphs == {"float32": "model.onnx", "int8": "model.int8.onnx"}
    (bundle.path / "model.int8.onnx").write_bytes(b"other")
    with pytest.raises(BundleRefused, match=r"model\.int8\.onnx does not match"):
        read_bundle(bundle.path)


def variant(precision: str, graph: str | None = None, **changes: object) -> dict[str, object]:
    parity = {"max_abs_difference": 0.001, "same_label": 1, "clips": 200, "data": "faces"}
    return {"precision": precision, "graph": graph or f"model.{precision}.onnx", "parity": parity | changes}


VALENCE = {"name": "valence"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"extra": 1}, "extra"),
        ({"input": {"frames": 4, "interval_s": 0.1, "size": 8, "mean": [0, 0, 0], "std": [1, 1, 1], "x": 1}}, "x"),
        ({"tasks": [{"kind": "expression", "labels": ["a", "b"], "softmax": True}]}, "softmax"),
        ({"tasks": [{"kind": "expression", "labels": ["a", "b"]}] * 2}, "each kind of task once"),
        ({"tasks": []}, "tasks"),
        ({"tasks": [{"kind": "gender", "labels": ["a", "b"]}]}, "kind"),
        ({"tasks": [{"kind": "expression", "labels": ["a"]}]}, "labels"),
        ({"tasks": [{"kind": "expression", "labels": ["a", "a"]}]}, "twice"),
        ({"tasks": [{"kind": "personality", "traits": ["a", "a"]}]}, "twice"),
        ({"tasks": [{"kind": "dimensions", "dimensions": [VALENCE, VALENCE]}]}, "twice"),
        ({"tasks": [{"kind": "dimensions", "dimensions": [VALENCE | {"minimum": 1}]}]}, "less than"),
        ({"tasks": [{"kind": "dimensions", "dimensions": [{"name": "liking"}]}]}, "name"),
        ({"graph": "other.onnx"}, "not among the files"),
        ({"graph": "../model.onnx"}, "graph"),
        ({"graph": "model.pt"}, "graph"),
        ({"variants": [variant("int8")]}, r"model\.int8\.onnx is not among the files"),
        ({"variants": [variant("int8"), variant("int8", "other.onnx")]}, "one variant of each precision"),
        ({"variants": [variant("int8", "model.onnx")]}, "file of its own"),
        ({"variants": [variant("int8", "../model.onnx")]}, "graph"),
        ({"variants": [variant("float32")]}, "precision"),
        ({"variants": [variant("int8", same_label=99)]}, "same_label"),
        ({"variants": [variant("int8", clips=0)]}, "clips"),
        ({"schema_version": 2}, "schema_version"),
        ({"name": "../tiny"}, "name"),
        ({"hop_s": 0}, "hop_s"),
        ({"crop": {"margin": -0.1}}, "margin"),
        ({"crop": {"margin": 0.1, "shape": "round"}}, "shape"),
        ({"input": {"frames": 0, "interval_s": 0.1, "size": 8, "mean": [0, 0, 0], "std": [1, 1, 1]}}, "frames"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused_with_the_reason(bundle, change: dict[str, Any], reason: str):
    bundle.manifest |= change

    with pytest.raises(BundleRefused, match=reason):
        read_bundle(bundle.write())


def test_a_manifest_without_a_licence_or_a_training_is_refused(bundle):
    for name in ("licence", "training", "parity", "files"):
        kept = bundle.manifest.pop(name)

        with pytest.raises(BundleRefused, match=name):
            read_bundle(bundle.write())

        bundle.manifest[name] = kept


def test_a_task_names_its_columns_and_their_ranges():
    dimensions = (Dimension(name="valence"), Dimension(name="arousal", minimum=0, maximum=4))

    assert ExpressionTask(labels=("calm", "glad")).ranges == {"calm": (0, 1), "glad": (0, 1)}
    assert DimensionsTask(dimensions=dimensions).ranges == {"valence": (-1, 1), "arousal": (0, 4)}
    assert PersonalityTask(traits=("openness",)).names == ("openness",)
