import pytest
import torch

from mien.contract.bundle import file_sha256, read_bundle
from model.bundle import variants
from model.bundle.variants import VariantRefused
from model.bundle.write import ExportRefused, export_bundle
from model.tpsbt.affect_model import AffectModel, ModelOutput


class OtherWhenExported(AffectModel):
    """A model that the exporter does not see as it is."""

    off_by = 1e-3

    def forward(self, clips):
        seen = super().forward(clips)
        return ModelOutput(seen.embedding + self.off_by * torch.onnx.is_in_onnx_export(), seen.outputs)


def earlier(folder):
    folder.mkdir()
    (folder / "manifest.json").write_text("the earlier one")


@pytest.fixture(scope="module")
def exported(affect_model, facts, tmp_path_factory):
    """A folder whose earlier bundle an export has replaced, what that returned, and the steps that it named."""
    folder, steps = tmp_path_factory.mktemp("exported"), []
    earlier(folder / "bundle")
    return folder, export_bundle(affect_model, folder / "bundle", **facts, progress=steps.append), steps


def test_a_bundle_is_what_the_service_reads(exported, facts, tasks):
    folder, written, _ = exported

    manifest, _ = read_bundle(folder / "bundle")

    assert manifest == written
    assert {file.name for file in (folder / "bundle").iterdir()} == {"manifest.json", "model.onnx", "MODEL_CARD.md"}
    assert set(manifest.files) == {"model.onnx", "MODEL_CARD.md"}
    assert manifest.files["MODEL_CARD.md"] == file_sha256(folder / "bundle" / "MODEL_CARD.md")
    assert (manifest.name, manifest.version, manifest.tasks) == ("micro", "1.2.3", tasks)
    assert (manifest.input, manifest.crop, manifest.training) == (facts["clip"], facts["crop"], facts["training"])
    assert manifest.parity.batch_sizes == (1, 2, 16)
    assert 0 < manifest.parity.max_abs_difference < 1e-4


def test_an_export_names_its_steps_as_they_begin(exported):
    _, _, steps = exported

    assert steps == [
        "Converting the model to ONNX",
        "Running PyTorch",
        *(f"Running ONNX Runtime on a batch of {size}" for size in (1, 2, 16)),
    ]


def test_a_bundle_takes_the_place_of_an_earlier_one_and_leaves_nothing_beside_it(exported):
    folder, _, _ = exported

    assert read_bundle(folder / "bundle")[0].version == "1.2.3"
    assert [file.name for file in folder.iterdir()] == ["bundle"]


def test_a_graph_that_differs_from_the_model_is_refused_and_leaves_the_earlier_bundle(micro, tasks, export, tmp_path):
    earlier(tmp_path / "bundle")

    with pytest.raises(ExportRefused, match=r"differ by 0\.001"):
        export(OtherWhenExported(micro, tasks), tmp_path / "bundle")

    assert [file.name for file in tmp_path.rglob("*")] == ["bundle", "manifest.json"]
    assert (tmp_path / "bundle" / "manifest.json").read_text() == "the earlier one"


@pytest.fixture(scope="module")
def with_variant(affect_model, facts, tmp_path_factory):
    """A bundle with a variant that has replaced one with a variant, and the steps that the export named."""
    folder, steps = tmp_path_factory.mktemp("exported") / "bundle", []
    earlier(folder)
    (folder / "model.int8.onnx").touch()
    export_bundle(affect_model, folder, **facts, variants=["float16", "float16"], progress=steps.append)
    return folder, steps


def test_a_variant_lies_beside_the_graph_with_its_parity(with_variant):
    folder, _ = with_variant

    manifest, _ = read_bundle(folder)

    assert {file.name for file in folder.iterdir()} == {"manifest.json", *manifest.files}
    assert manifest.graphs == {"float32": "model.onnx", "float16": "model.float16.onnx"}
    assert manifest.files["model.float16.onnx"] == file_sha256(folder / "model.float16.onnx")
    [variant] = manifest.variants
    assert 0 < variant.parity.max_abs_difference < 0.01
    assert (variant.parity.clips, variant.parity.data) == (200, "random patterns")
    assert "float16" in (folder / "MODEL_CARD.md").read_text()


def test_an_export_with_a_variant_names_its_steps_too(with_variant):
    _, steps = with_variant

    assert steps[-2:] == ["Writing the variant in float16", "Comparing the variants on random patterns"]


def test_a_variant_that_differs_too_much_is_refused_and_leaves_the_earlier_bundle(
    affect_model, export, tmp_path, monkeypatch
):
    monkeypatch.setattr(variants, "VARIANT_TOLERANCE", 1e-9)
    earlier(tmp_path / "bundle")

    with pytest.raises(VariantRefused, match="In int8 the model differs too much"):
        export(affect_model, tmp_path / "bundle", variants=["int8"])

    assert [file.name for file in tmp_path.rglob("*")] == ["bundle", "manifest.json"]


def test_a_folder_that_holds_something_else_is_left_alone(affect_model, export, tmp_path):
    (tmp_path / "manifest.json").touch()
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(ExportRefused, match="more than a bundle"):
        export(affect_model, tmp_path)

    assert (tmp_path / "thesis.tex").exists()
