"""Reuse face crops of another preparation instead of cropping the faces again.

    crops.json  in a prepared folder: for each crop in clips/, what it was cut from and how → its file

Prepared folders beside the new one are searched. A crop is shared as a hard link, or copied if that is not possible.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from model.data.jobs import CropJob
from model.unfinished import unfinished

CROPS_FILE = "crops.json"


def note(out: Path, jobs: Sequence[CropJob]) -> None:
    """Record what a folder's crops were made from."""
    crops = {
        key: job.target.relative_to(out).as_posix()
        for job in jobs
        if job.target is not None and (key := _key(job)) is not None
    }
    if crops:
        (out / CROPS_FILE).write_text(json.dumps(crops, indent=1) + "\n", encoding="utf-8")


def take(out: Path, jobs: Sequence[CropJob]) -> None:
    """Link crops of folders beside this one to where the jobs would write them."""
    known: dict[str, Path] = {}
    for path in sorted(out.absolute().parent.glob(f"*/{CROPS_FILE}")):
        if path.parent != out.absolute():
            with contextlib.suppress(OSError, ValueError):  # of a folder that is being written, or is not one of ours
                known |= {key: path.parent / file for key, file in json.loads(path.read_bytes()).items()}
    for job in jobs:
        if job.target is None or job.target.exists() or (key := _key(job)) is None:
            continue
        crop = known.get(key)
        if crop is not None and crop.is_file():
            job.target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(crop, job.target)
            except OSError:  # another file system, or one without links
                with unfinished(job.target) as path:
                    shutil.copyfile(crop, path)


def _key(job: CropJob) -> str | None:
    """Return what a crop depends on, as text; None if the file cannot be read."""
    try:
        found = job.media.stat()
    except OSError:
        return None
    how = [job.crop.model_dump(mode="json"), job.yunet and str(job.yunet)]
    return json.dumps([str(job.media), found.st_size, found.st_mtime_ns, *how])
