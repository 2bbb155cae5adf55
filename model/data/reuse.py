"""Reuse face crops of another preparation instead of cropping the faces again.

    crops.json  in a prepared folder: for each crop in clips/, what it was cut from and how → its file

Prepared folders beside the new one are searched. A crop is shared as a hard link, or copied if that is not possible.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from model.data.jobs import CropJob

CROPS_FILE = "crops.json"


def note(out: Path, jobs: Iterable[CropJob]) -> None:
    """Record what a folder's crops were made from."""
    crops = {_key(job): job.target.relative_to(out).as_posix() for job in jobs if job.target is not None}
    if crops:
        (out / CROPS_FILE).write_text(json.dumps(crops, indent=1) + "\n", encoding="utf-8")


def with_known(out: Path, jobs: Iterable[CropJob]) -> list[CropJob]:
    """Return the jobs with the crops that folders beside this one have of them."""
    known: dict[str, Path] = {}
    for path in sorted(out.absolute().parent.glob(f"*/{CROPS_FILE}")):
        if path.parent != out.absolute():
            # Of a folder that is being written, or is not one of ours.
            with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
                known |= {key: path.parent / file for key, file in json.loads(path.read_bytes()).items()}
    found = [(job, known.get(_key(job))) for job in jobs]
    return [replace(job, known=crop) if crop is not None and crop.is_file() else job for job, crop in found]


def _key(job: CropJob) -> str:
    """Return what a crop depends on, as text."""
    how = [job.crop.model_dump(mode="json"), job.yunet and str(job.yunet)]
    return json.dumps([str(job.media), job.source, *how])
