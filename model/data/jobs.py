"""Check that a clip can be read, or crop its face: one job a clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mien.contract.bundle import FaceCrop
from model.data.faces import crop_face, crop_still
from model.data.media import ClipUnreadable, is_still, open_media
from model.data.prepared import Region
from model.errors import ModelError


@dataclass(frozen=True)
class CropJob:
    """A clip to check, or with a target a clip whose face is cropped."""

    id: str
    media: Path
    fps: float | None
    region: Region | None
    target: Path | None
    crop: FaceCrop
    yunet: Path | None


def run_crop_job(job: CropJob) -> str:
    """Run a job; return the error message, or an empty string.

    Raises:
        ModelError: something is wrong that is not the clip's: the target cannot be written, for example.
    """
    try:
        if job.target is not None:
            if not job.target.exists():
                cut = crop_still if is_still(job.media) else crop_face
                cut(job.media, job.target, crop=job.crop, yunet=job.yunet)
        else:
            _check(job)
    except ClipUnreadable as error:
        return str(error)
    except ModelError:
        raise
    except Exception as error:  # one broken clip must not end a run of hours
        return f"{job.media}: {type(error).__name__}: {error}"
    return ""


def _check(job: CropJob) -> None:
    """Decode the first picture."""
    with open_media(job.media, job.fps) as media:
        height, width = next(media.read(0.0)).picture().shape[:2]
    region = job.region
    if region and (width < region.left + region.width or height < region.top + region.height):
        raise ClipUnreadable(f"{job.media} has pictures of {width} × {height} pixels, too small for the face's place.")
