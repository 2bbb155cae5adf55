"""A fine-tuning run's best checkpoint → a bundle."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from model.errors import ModelError
from model.export import export_bundle
from model.trained import read_trained
from service.contract.bundle import Manifest, Training


def export_run(run: Path, out: Path, *, name: str, version: str, licence: str, intended_use: str) -> Manifest:
    """Write a run's best model as a bundle; a new window starts when the one before is half over.

    Raises:
        ModelError: the run has no best checkpoint, or a fact will not do for a manifest.
        ExportRefused: see `export_bundle`.
    """
    trained = read_trained(run)
    try:
        return export_bundle(
            trained.perceiver,
            out,
            name=name,
            version=version,
            clip=trained.clip,
            crop=trained.crop,
            hop_s=round(trained.clip.frames * trained.clip.interval_s / 2, 3),
            training=Training(
                trained=True,
                data=f"{'; '.join(trained.data)}. The scores are of clips that were held out from training.",
                scores={metric: value for metric, value in trained.scores.items() if metric != "score"},
            ),
            licence=licence,
            intended_use=intended_use,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(f"The bundle's {first['loc'][0]} = {first['input']!r} will not do: {first['msg']}.") from error
