"""Evaluate a bundle on a published dataset with the same steps as a worker.

The dataset is not prepared: `service.vision` detects, tracks and crops faces in the original videos. The outputs of the
largest face's windows are averaged, weighted by their real frames, as `service.worker.aggregate` does. A still is
turned into a video of one second.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mien.contract.bundle import read_bundle
from mien.contract.errors import BadMedia
from model.data import registry
from model.data.executors import Processes
from model.data.faces import detector_of
from model.data.labels import label_columns
from model.data.media import LIMITS, ClipUnreadable, is_still, read_still
from model.data.prepare import found_rows
from model.errors import ModelError
from model.evaluation.common_tasks import common_tasks
from model.evaluation.groups import group_scores
from model.evaluation.intervals import intervals
from model.evaluation.report import EvaluationReport, PartScores
from model.evaluation.scores import Scored, confusion_of, labelled, measured
from model.evaluation.scoring import OnnxScorer
from service.vision.clips import Clip, ClipSpec, FaceSeen, read_clips
from service.vision.formats import OWN_FILES

FPS, SECONDS = 25, 1.0
"""Frame rate and length of the video that a still is turned into."""
_FACES = 4  # followed at a time
_LEAST = 64  # pixels of a video's sides
_LONGEST, _LARGEST = 16_384, 139_264 * 16 * 16  # pixels of a side, as libx264 takes, and of a frame (H.264, table A-1)


@dataclass(frozen=True)
class ScoreJob:
    """A clip to score, with the inputs that a process needs."""

    id: str
    media: Path
    bundle: Path
    hop_s: float
    yunet: Path | None


def evaluate_as_served(
    bundle: Path,
    dataset: str,
    root: Path,
    part: str,
    *,
    yunet: Path | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> EvaluationReport:
    """Evaluate a bundle on a part of an unprepared dataset.

    Args:
        bundle: the bundle's folder.
        dataset: the dataset's name in `model.data.registry`; of videos or pictures, not of frame folders.
        root: the dataset's folder.
        part: the part to score.
        yunet: another model of YuNet than Mien's own.
        workers: processes.
        progress: called with the number of finished clips, and of all.

    Returns:
        The report; clips without a face and unreadable ones are excluded from the scores, and warnings count them, and
        those of all parts that are listed twice or wrongly.

    Raises:
        ModelError: the bundle or the dataset is not there, they do not fit, the part is empty, or no face is
            found in a clip with labels.
    """
    known = registry.find(dataset)
    scorer = OnnxScorer(bundle)
    listed, problems = found_rows(known, root.absolute())
    if known.settle is not None:
        known = known.settle(known, listed)
    left_out = [
        f"{len(problems)} clips of {known.title} are left out. The first: "
        f"{one.reason if one.clip in one.reason else f'{one.clip}. {one.reason}'}"
        for one in problems[:1]
    ]
    rows = [row for row in listed if row.part == part]
    if not rows:
        none = f"The part {part} of {known.title} is empty: there are no clips of it below {root}."
        raise ModelError(" ".join([none, *left_out]))
    common = common_tasks(scorer, known.title, known.tasks)
    labels = label_columns(rows, common, known.tasks)
    tasks = tuple(task for task in common if not labels[task.kind].isnan().all())
    if not tasks or any(row.fps is not None for row in rows):
        raise ModelError(f"{known.title} has no videos or pictures with labels for the tasks of {scorer.name}.")
    hop_s = read_bundle(bundle)[0].hop_s
    jobs = [ScoreJob(row.id, Path(row.media), bundle.absolute(), hop_s, yunet and yunet.absolute()) for row in rows]
    found, unreadable = _score_all(jobs, workers, progress)
    seen = [row for row in rows if row.id in found]
    if not seen:
        raise ModelError(f"No face was found in any of the {len(rows)} clips. {' '.join(unreadable[:1])}".strip())
    scored = Scored(
        {task.kind: torch.tensor([found[row.id][task.kind] for row in seen]) for task in tasks},
        label_columns(seen, tasks, known.tasks),
    )
    scores, bounds, counts = measured(tasks, scored), intervals(tasks, scored), labelled(tasks, scored)
    if not scores:
        raise ModelError(f"A face was found in {len(seen)} of {len(rows)} clips, none of which has a label.")
    return EvaluationReport(
        data=dataset,
        views=1,
        warnings=(
            f"No face was found in {len(rows) - len(seen) - len(unreadable)} of {len(rows)} clips.",
            *(f"{len(unreadable)} clips cannot be read, the first of them: {one}" for one in unreadable[:1]),
            *left_out,
        ),
        parts=(
            PartScores(part=part, model=scorer.name, clips=len(seen), labelled=counts, scores=scores, intervals=bounds),
        ),
        pooled=scores,
        pooled_intervals=bounds,
        confusion=confusion_of(tasks, scored),
        groups=group_scores(tasks, seen, scored),
    )


def _score_all(
    jobs: Sequence[ScoreJob], workers: int, progress: Callable[[int, int], None]
) -> tuple[dict[str, dict[str, list[float]]], list[str]]:
    """Return the outputs of the clips that show a face, by id, and a sentence on each that cannot be read."""
    found: dict[str, dict[str, list[float]]] = {}
    unreadable: list[str] = []
    for done, (job, outputs) in enumerate(Processes(workers).run(jobs, score), start=1):
        if isinstance(outputs, str):
            unreadable.append(outputs)
        elif outputs is not None:
            found[job.id] = outputs
        progress(done, len(jobs))
    return found, unreadable


def score(job: ScoreJob) -> dict[str, list[float]] | str | None:
    """Compute a clip's outputs by the kind of task, the mean over its largest face's windows.

    None stands for a clip without a face, a sentence for one that cannot be read.
    """
    scorer = _scorer(job.bundle)
    spec = ClipSpec(
        frames=scorer.clip.frames,
        interval_s=scorer.clip.interval_s,
        size=scorer.clip.size,
        margin=scorer.crop.margin,
        hop_s=job.hop_s,
    )
    try:
        windows = _windows_of(job, spec)
    except ClipUnreadable as error:
        return str(error)
    except BadMedia as error:
        return f"{job.media} cannot be read: {error.detail}"
    if not windows:
        return None
    weights = np.array([window.frames for window in windows], np.float64)
    outputs = scorer(np.stack([window.pixels for window in windows]))
    return {kind: (np.average(values, axis=0, weights=weights)).tolist() for kind, values in outputs.items()}


def _windows_of(job: ScoreJob, spec: ClipSpec) -> Sequence[Clip]:
    if not is_still(job.media):
        return _windows(job.media, spec, job.yunet)
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        video = Path(folder, "still.mp4")
        write_still(read_still(job.media), video)
        return _windows(video, spec, job.yunet)


def write_still(picture: NDArray[np.uint8], path: Path) -> None:
    """Write a video that shows a picture (H, W, 3) for one second, H.264 in MP4; scaled if H.264 cannot hold it."""
    height, width = picture.shape[:2]
    finer = max(1.0, _LEAST / min(height, width))
    scale = min(finer, _LONGEST / max(height, width), math.sqrt(_LARGEST / (height * width)))
    even = (2 * max(1, round(width * scale / 2)), 2 * max(1, round(height * scale / 2)))
    frame = av.VideoFrame.from_ndarray(cv2.resize(picture, even).astype(np.uint8, copy=False), format="rgb24")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height = even
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(round(SECONDS * FPS)):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _windows(video: Path, spec: ClipSpec, yunet: Path | None) -> Sequence[Clip]:
    """Return the windows of the largest face, by area summed over time."""
    windows: dict[int, list[Clip]] = {}
    areas: dict[int, float] = {}
    for event in read_clips(video, [spec], detector=detector_of(yunet), limits=LIMITS, faces=_FACES, formats=OWN_FILES):
        if isinstance(event, Clip):
            windows.setdefault(event.track, []).append(event)
        elif isinstance(event, FaceSeen):
            areas[event.track] = sum(point.w * point.h for point in event.path)
    return windows[max(windows, key=lambda track: areas[track])] if windows else []


@cache
def _scorer(bundle: Path) -> OnnxScorer:
    return OnnxScorer(bundle)
