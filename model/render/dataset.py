"""Render a prepared dataset (`model.data.prepared`) and its source videos.

    videos/000042.mp4   a rendered clip
    clips/000042.mp4    its face, cropped with the service's code
    clips.csv           rows of 0.64 s of the crops, with their labels
    problems.csv        clips without a face track from start to end

Each clip shows a different person; every tenth person is in the part test.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from mien.contract.bundle import Dimension, DimensionsTask, ExpressionTask, FaceCrop, PersonalityTask
from model.data.executors import Executor
from model.data.faces import crop_face, detector_of
from model.data.journal import Journal
from model.data.media import ClipUnreadable
from model.data.prepared import ClipRow, Prepared, write_prepared, write_rows
from model.data.vocabulary import EXPRESSIONS, TRAITS
from model.errors import ModelError
from model.render import labels
from model.render.head import load_head
from model.render.studio import FPS, FRAMES, RenderedClip, Studio, write_clip
from model.tasks.learnt import SideTask

SIZE = 112  # pixels of a face
CROP = FaceCrop(margin=0.05)
"""A smaller margin than for real faces, because resolution is low at 112 pixels."""
_PROBLEMS = "problems.csv"
_MOMENTS, _STEP = 8, 4  # frames of a row, and frames between the starts of two rows
_STEP_S = 1 / float(FPS)
TASKS = (
    ExpressionTask(labels=EXPRESSIONS),
    DimensionsTask(dimensions=(Dimension(name="valence"), Dimension(name="arousal"))),
    PersonalityTask(traits=TRAITS),
    SideTask(kind="units", names=labels.UNIT_NAMES),
    SideTask(kind="landmarks", names=labels.LANDMARK_NAMES),
)


class RenderSettings(BaseModel):
    """Settings of a rendered dataset; the number of clips can be raised later."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    facekit: Path
    yunet: Path | None
    seed: int


@dataclass(frozen=True)
class RenderJob:
    """A clip to render."""

    number: int
    settings: RenderSettings
    out: Path

    @property
    def id(self) -> str:
        """Identifier of the clip and of its person."""
        return f"{self.number:06d}"


def render(
    settings: RenderSettings,
    clips: int,
    out: Path,
    *,
    executor: Executor,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> int:
    """Render clips to a folder, or resume a stopped run.

    Args:
        settings: the head, the detector and the seed; must equal those of a resumed folder.
        clips: total number of clips.
        out: the folder to write.
        executor: where clips are rendered.
        progress: called with the number of finished clips and of all clips.

    Returns:
        The number of usable clips.

    Raises:
        ModelError: the head or the detector cannot be read, OpenGL is missing, or the folder contains something else.
    """
    load_head(settings.facekit)  # report a wrong head or detector once, not from each process
    if settings.yunet is not None:
        detector_of(settings.yunet)
    done = Journal(out, settings.model_dump_json())
    for folder in ("videos", "clips"):
        (out / folder).mkdir(exist_ok=True)
    jobs = [RenderJob(number, settings, out.absolute()) for number in range(clips)]
    done.finish(jobs, shoot, executor, progress)
    results = [(job, done.results[job.id]) for job in jobs]
    used = [ClipRow.model_validate(row) for _, result in results if isinstance(result, list) for row in result]
    problems = [(job.id, result) for job, result in results if isinstance(result, str)]
    with (out / _PROBLEMS).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("clip", "reason"), *problems])
    if not used:
        raise ModelError(f"None of {clips} clips can be used: {out / _PROBLEMS} lists the reasons.")
    write_rows(out, used)
    write_prepared(
        out,
        Prepared(
            name="rendered", tasks=TASKS, protocol="fixed", parts=("train", "test"), interval_s=_STEP_S, crop=CROP
        ),
    )
    return clips - len(problems)


def shoot(job: RenderJob) -> list[dict[str, Any]] | str:
    """Render a clip and crop its face; return its rows of `clips.csv`, or the reason why it has none."""
    clip = _studio(job.settings.facekit).clip(job.settings.seed, job.number)
    video, face = job.out / "videos" / f"{job.id}.mp4", job.out / "clips" / f"{job.id}.mp4"
    write_clip(clip, video)
    try:
        seen = crop_face(video, face, size=SIZE, crop=CROP, yunet=job.settings.yunet)
    except ClipUnreadable as error:
        return str(error)
    if seen.start_s > _STEP_S / 2 or seen.end_s < (FRAMES - 0.5) * _STEP_S:
        face.unlink()
        return f"The face is tracked only from {seen.start_s:.2f} to {seen.end_s:.2f} s."
    return [row.model_dump(mode="json", exclude_none=True) for row in _rows(job, face.relative_to(job.out), clip)]


def _rows(job: RenderJob, face: Path, clip: RenderedClip) -> list[ClipRow]:
    """Return the rows of a clip; all have the traits computed from the whole clip."""
    behaviour = clip.behaviour
    apparent = dict(zip(TRAITS, (round(v, 4) for v in labels.traits(behaviour, _STEP_S)), strict=True))
    groups = f"skin={clip.skin} age={'younger' if clip.age < 1 / 3 else 'middle' if clip.age < 2 / 3 else 'older'}"
    rows = []
    for first in range(0, FRAMES - _MOMENTS + 1, _STEP):
        moments = slice(first, first + _MOMENTS)
        felt = behaviour.feelings[moments]
        valence, arousal = labels.dimensions(felt)
        rows.append(
            ClipRow(
                id=f"{job.id}-{first:02d}",
                media=face.as_posix(),
                start_s=round(first * _STEP_S, 3),
                end_s=round((first + _MOMENTS) * _STEP_S, 3),
                subject=job.id,
                part="test" if job.number % 10 == 9 else "train",
                groups=groups,
                expression=labels.expression(felt),
                valence=round(valence, 4),
                arousal=round(arousal, 4),
                units=" ".join(f"{value:.3f}" for value in labels.units(behaviour, moments)),
                landmarks=" ".join(f"{value:.4f}" for value in labels.landmarks(clip.landmarks, moments)),
                **apparent,
            )
        )
    return rows


@cache
def _studio(facekit: Path) -> Studio:
    return Studio(load_head(facekit))
