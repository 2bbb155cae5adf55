"""Write a bundle, the folder that a worker serves: `manifest.json`, `model.onnx`, its variants, `MODEL_CARD.md`.

The folder is written and checked under a temporary name and then renamed, so that it is never incomplete.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import get_args

from mien.contract.bundle import (
    MANIFEST,
    MODEL_CARD,
    ClipInput,
    FaceCrop,
    Manifest,
    Parity,
    Training,
    Variant,
    VariantPrecision,
    file_sha256,
)
from model.bundle.card import model_card
from model.bundle.graph import EMBEDDING, Graph, difference, write_graph
from model.bundle.parity_clips import ParityClips, prepared_clips, random_clips
from model.bundle.variants import compare, variant_file, write_variant
from model.errors import ModelError
from model.tpsbt.affect_model import AffectModel

GRAPH = "model.onnx"
BATCH_SIZES = (1, 2, 16)
"""Batches on which the graph is compared: one clip, the batch that it was traced with, and a larger one."""
TOLERANCE = 1e-4


class ExportRefused(ModelError):
    """Raised if no bundle was written; the message says why."""


def export_bundle(
    model: AffectModel,
    folder: Path,
    *,
    name: str,
    version: str,
    clip: ClipInput,
    crop: FaceCrop,
    hop_s: float,
    training: Training,
    licence: str,
    intended_use: str,
    notes: str = "",
    evaluations: str = "",
    variants: Sequence[VariantPrecision] = (),
    clips: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Export a model as a bundle; an earlier bundle in the folder is replaced.

    Args:
        model: the model.
        folder: the bundle's folder; it is only written if the export succeeds.
        name: of the bundle, in lower case.
        version: of the bundle.
        clip: the model's input, with the mean and standard deviation that it was trained with.
        crop: how faces were cut out for its training.
        hop_s: seconds between the starts of two windows.
        training: where the weights come from.
        licence: of the weights.
        intended_use: in a sentence or two, for `MODEL_CARD.md`.
        notes: Markdown for the end of `MODEL_CARD.md`.
        evaluations: Markdown of what evaluations found, for `MODEL_CARD.md`.
        variants: other precisions to write the graph in.
        clips: prepared dataset on whose clips the variants are compared; by default on random patterns.
        progress: called with the name of each step when it begins.

    Returns:
        The manifest as written.

    Raises:
        ExportRefused: the outputs of ONNX Runtime and PyTorch differ too much, or the folder holds other files.
        VariantRefused: a variant's outputs differ too much.
    """
    if folder.exists() and not _is_bundle(folder):
        raise ExportRefused(f"{folder} exists and holds more than a bundle: name another folder, or remove it.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        made = Path(temporary, "made")
        made.mkdir()
        graph = Graph(model, clip)
        progress("Converting the model to ONNX")
        write_graph(graph, made / GRAPH)
        parity = _checked(graph, made / GRAPH, progress)
        compared_on = prepared_clips(clips, clip) if clips else random_clips(clip)
        described = _variants(graph, made, dict.fromkeys(variants), compared_on, progress)
        manifest = Manifest(
            name=name,
            version=version,
            graph=GRAPH,
            variants=described,
            input=clip,
            crop=crop,
            hop_s=hop_s,
            tasks=graph.tasks,
            embedding=EMBEDDING,
            training=training,
            licence=licence,
            intended_use=intended_use,
            parity=parity,
            files={name: file_sha256(made / name) for name in (GRAPH, *(variant.graph for variant in described))},
        )
        (made / MODEL_CARD).write_text(model_card(manifest, notes, evaluations), encoding="utf-8")
        manifest = manifest.model_copy(update={"files": {**manifest.files, MODEL_CARD: file_sha256(made / MODEL_CARD)}})
        # Workers of earlier releases refuse keys that they do not know.
        unused = None if manifest.variants else {"variants"}
        (made / MANIFEST).write_text(manifest.model_dump_json(indent=2, exclude=unused) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rename(Path(temporary, "replaced"))
        made.rename(folder)
    return manifest


def _is_bundle(folder: Path) -> bool:
    known = {MANIFEST, GRAPH, MODEL_CARD, *map(variant_file, get_args(VariantPrecision))}
    return folder.is_dir() and {file.name for file in folder.iterdir()} <= known


def _variants(
    graph: Graph, folder: Path, wanted: Iterable[VariantPrecision], clips: ParityClips, progress: Callable[[str], None]
) -> tuple[Variant, ...]:
    files = {precision: folder / variant_file(precision) for precision in wanted}
    for precision, path in files.items():
        progress(f"Writing the variant in {precision}")
        write_variant(folder / GRAPH, precision, path)
    if not files:
        return ()
    progress(f"Comparing the variants on {clips.data}")
    return compare(folder / GRAPH, files, graph.clip.name, graph.tasks, clips)


def _checked(graph: Graph, path: Path, progress: Callable[[str], None]) -> Parity:
    found = difference(graph, path, BATCH_SIZES, progress)
    if not found <= TOLERANCE:  # also true for NaN
        raise ExportRefused(f"PyTorch and ONNX Runtime differ by {found:.2g}; at most {TOLERANCE:g} is allowed.")
    return Parity(max_abs_difference=found, batch_sizes=BATCH_SIZES)
