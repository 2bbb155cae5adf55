"""Prepare a published dataset as the folder that `model.data.prepared` describes.

The folder also has:

    problems.csv   clips that could not be read, and the reasons
    report.json    `PrepareReport`: counts of clips and labels, and warnings
    journal.jsonl  see `model.data.journal`
"""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, zip_longest
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mien.contract.bundle import FaceCrop
from model.data import registry, reuse, shards
from model.data.dataset import ClipProblem, PublishedDataset
from model.data.executors import Executor
from model.data.faces import CROP
from model.data.jobs import CropJob, run_crop_job
from model.data.journal import Journal
from model.data.media import is_still
from model.data.prepared import ClipRow, Prepared, write_prepared, write_rows
from model.errors import ModelError

PROBLEMS_FILE = "problems.csv"
REPORT_FILE = "report.json"
CLIPS_FOLDER = "clips"


class PrepareSettings(BaseModel):
    """Settings of a preparation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    root: Path
    columns: dict[str, str] = {}
    limit: int | None = None
    shards: bool = False
    margin: float = CROP.margin
    yunet: Path | None = None


class PrepareReport(BaseModel):
    """Result of a preparation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    licence: str
    choice: str
    clips: dict[str, int]
    labels: dict[str, dict[str, int]]
    problems: int
    warnings: tuple[str, ...]


def prepare(
    settings: PrepareSettings,
    out: Path,
    *,
    executor: Executor,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    packing: Callable[[int, int], None] = lambda _done, _all: None,
) -> PrepareReport:
    """Prepare a dataset, or resume its preparation.

    Args:
        settings: the dataset and how to prepare it; a resumed folder must have the same.
        out: the folder.
        executor: where clips are read and shards written.
        progress: called with the number of finished clips, and of all.
        packing: called with the number of clips that are in shards, and of all.

    Raises:
        ModelError: there is no such dataset, or it is not laid out as published.
    """
    out = out.absolute()
    dataset = _renamed(registry.find(settings.dataset), settings)
    if not settings.root.is_dir():
        raise ModelError(f"{settings.root} is no folder: the root of {dataset.title} was expected.")
    if out.is_relative_to(settings.root.absolute()):
        raise ModelError(f"{out} lies in {settings.root}: choose an --out outside of the dataset.")
    rows, problems = found_rows(dataset, settings.root.absolute())
    if dataset.settle is not None:
        dataset = dataset.settle(dataset, rows)
    unread = f". The first line that cannot be read: {problems[0].reason}" if problems else ""
    _check_parts(dataset, rows, f"below {settings.root}{unread}")
    rows = list(_limited(dataset, rows, settings.limit))
    jobs = [_job(dataset, row, out, settings) for row in rows]
    begun = settings.model_copy(update={"root": settings.root.absolute()})
    done = Journal(out, begun.model_dump_json())
    reuse.take(out, [job for job in jobs if job.id not in done.results])
    done.finish(jobs, run_crop_job, executor, progress)
    problems += [ClipProblem(job.id, reason) for job in jobs if (reason := done.results[job.id])]
    _write_problems(out / PROBLEMS_FILE, problems)
    reuse.note(out, [job for job in jobs if not done.results[job.id]])
    targets = {job.id: job.target for job in jobs}
    kept = [_kept(row, targets[row.id], out) for row in rows if not done.results[row.id]]
    _check_parts(dataset, kept, f"that can be read (see {out / PROBLEMS_FILE})", {row.part for row in rows})
    if settings.shards:
        kept = _sharded(out, kept, executor, packing)
    write_rows(out, kept)
    write_prepared(
        out,
        Prepared(
            name=settings.dataset,
            tasks=dataset.tasks,
            protocol=dataset.protocol,
            parts=dataset.parts,
            interval_s=dataset.interval_s,
            crop=FaceCrop(margin=settings.margin),
            region=dataset.region,
            fit=dataset.fit,
            shards=settings.shards,
        ),
    )
    if settings.shards:
        shutil.rmtree(out / CLIPS_FOLDER, ignore_errors=True)
    report = _report(dataset, kept, problems, whole=settings.limit is None)
    (out / REPORT_FILE).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return report


def _renamed(dataset: PublishedDataset, settings: PrepareSettings) -> PublishedDataset:
    for name in settings.columns:
        if name not in dataset.columns:
            known = ", ".join(dataset.columns) or "none, for it has no table of that kind"
            raise ModelError(f"{dataset.title} has no column {name!r} to name; it has: {known}.")
    return replace(dataset, columns={**dataset.columns, **settings.columns})


def found_rows(dataset: PublishedDataset, root: Path) -> tuple[list[ClipRow], list[ClipProblem]]:
    """Read the rows of a dataset's folder, and the problems; of a clip that is listed again, the first row is kept."""
    rows: dict[str, ClipRow] = {}
    problems = []
    for found in dataset.read(root, dataset):
        if isinstance(found, ClipProblem):
            problems.append(found)
        elif found.id in rows:
            problems.append(ClipProblem(found.id, f"It is listed again, in part {found.part}."))
        else:
            rows[found.id] = found
    return list(rows.values()), problems


def _check_parts(
    dataset: PublishedDataset, rows: Iterable[ClipRow], which: str, parts: Iterable[str] | None = None
) -> None:
    there = {row.part for row in rows}
    for part in dataset.parts if parts is None else sorted(parts):
        if part not in there:
            raise ModelError(f"The part {part!r} of {dataset.title} is empty: there are no clips of it {which}.")


def _limited(dataset: PublishedDataset, rows: Sequence[ClipRow], limit: int | None) -> Iterator[ClipRow]:
    """Yield at most `limit` rows: of each part in turn, and there from evenly spread places."""
    if limit is None or limit >= len(rows):
        yield from rows
        return
    parts = [[row for row in rows if row.part == part] for part in dataset.parts]
    evenly = [part[:: max(1, len(part) * len(parts) // limit)] for part in parts]
    in_turn = (row for turn in zip_longest(*evenly) for row in turn if row is not None)
    yield from islice(in_turn, limit)


def _job(dataset: PublishedDataset, row: ClipRow, out: Path, settings: PrepareSettings) -> CropJob:
    target = None
    faces = dataset.crops or row.fps is not None or _lies_in(row, settings.root.absolute(), dataset.crops_in)
    if not faces:
        digest = hashlib.sha256(row.id.encode()).hexdigest()[:12]
        readable = re.sub(r"[^\w-]+", "_", row.id)[-60:].strip("_")
        kind = ".png" if row.fps is None and is_still(Path(row.media)) else ".mp4"
        target = out / CLIPS_FOLDER / f"{readable}-{digest}{kind}"
    crop = FaceCrop(margin=settings.margin)
    return CropJob(row.id, Path(row.media), row.fps, dataset.region, target, crop, settings.yunet)


def _lies_in(row: ClipRow, root: Path, folders: Iterable[str]) -> bool:
    return any(Path(row.media).is_relative_to(root / folder) for folder in folders)


def _kept(row: ClipRow, target: Path | None, out: Path) -> ClipRow:
    return row if target is None else row.model_copy(update={"media": target.relative_to(out).as_posix()})


def _sharded(
    out: Path, rows: Sequence[ClipRow], executor: Executor, packing: Callable[[int, int], None]
) -> list[ClipRow]:
    """Write the shards; return the rows with the clips' places in them, in their old order."""
    places: dict[str, str] = {}
    for shard, fault in executor.run(shards.plan(out, rows), partial(write_shard, folder=out)):
        if fault:
            raise ModelError(f"{shard.path} cannot be written: {fault}.")
        places |= {row.id: f"{shard.path.relative_to(out).as_posix()}/{key}" for key, row in shard.clips}
        packing(len(places), len(rows))
    return [row.model_copy(update={"media": places[row.id]}) for row in rows]


def write_shard(shard: shards.Shard, folder: Path) -> str:
    """Write a shard; return the error message, or an empty string."""
    try:
        shards.write(shard, folder)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return ""


def _write_problems(path: Path, problems: Iterable[ClipProblem]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("clip", "reason"))
        writer.writerows((problem.clip, problem.reason) for problem in problems)


def _report(
    dataset: PublishedDataset, rows: Sequence[ClipRow], problems: Sequence[ClipProblem], *, whole: bool
) -> PrepareReport:
    clips = Counter(row.part for row in rows)
    labels = {part: Counter(r.expression for r in rows if r.part == part and r.expression) for part in dataset.parts}
    return PrepareReport(
        title=dataset.title,
        licence=dataset.licence,
        choice=dataset.choice,
        clips={part: clips[part] for part in dataset.parts},
        labels={part: dict(found) for part, found in labels.items() if found},
        problems=len(problems),
        warnings=tuple(_differences(dataset, rows, clips)) if whole else (),
    )


def _differences(dataset: PublishedDataset, rows: Sequence[ClipRow], clips: Mapping[str, int]) -> Iterator[str]:
    """Yield warnings where counts differ from the published ones; owners' copies differ."""
    for part, expected in dataset.clips.items():
        if clips[part] != expected:
            yield f"Part {part} has {clips[part]} clips, {expected} were expected."
    if dataset.total not in (None, len(rows)):
        yield f"There are {len(rows)} clips, {dataset.total} were expected."
    for part, expected in dataset.subjects.items():
        people = len({row.subject for row in rows if row.part == part})
        if people != expected:
            yield f"Part {part} shows {people} people, {expected} were expected."
