"""Prepare a published dataset as the folder that `model.data.prepared` describes.

The folder also has:

    problems.csv   clips that could not be read, and the reasons
    report.json    `PrepareReport`: counts of clips and labels, and warnings
    journal.jsonl  see `model.data.journal`

Clips that could not be read, or whose files have changed, are tried again when the preparation is resumed.
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
from model.data.faces import CROP, detector_of
from model.data.jobs import CropJob, run_crop_job, source_of
from model.data.journal import Journal
from model.data.media import is_still
from model.data.prepared import ClipRow, Prepared, write_prepared, write_rows
from model.errors import ModelError
from model.unfinished import writing

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
        ModelError: there is no such dataset, it is not laid out as published, or the folder cannot be written.
    """
    out = out.absolute()
    dataset = _renamed(registry.find(settings.dataset), settings)
    if not settings.root.is_dir():
        raise ModelError(f"{settings.root} is no folder: the root of {dataset.title} was expected.")
    if out.is_relative_to(settings.root.absolute()):
        raise ModelError(f"{out} lies in {settings.root}: choose an --out outside of the dataset.")
    rows, problems = found_rows(dataset, settings.root.absolute())
    unread = f" The first line that cannot be read: {problems[0].reason}" if problems else ""
    if dataset.settle is not None:
        try:
            dataset = dataset.settle(dataset, rows)
        except ModelError as error:
            raise ModelError(f"{error}{unread}") from error
    _check_parts(dataset, rows, f"below {settings.root}.{unread}".rstrip("."))
    rows = list(_limited(dataset, rows, settings.limit))
    jobs = [_job(dataset, row, out, settings) for row in rows]
    if settings.yunet is not None:
        detector_of(settings.yunet)  # report a wrong model before the folder is begun with it
    begun = settings.model_copy(update={"root": settings.root.absolute()})
    done = Journal(out, begun.model_dump_json())
    done.results = {job.id: ["", job.source] for job in jobs if done.results.get(job.id) == ["", job.source]}
    jobs = reuse.with_known(out, jobs)
    done.finish(jobs, run_crop_job, executor, progress)
    kept = _kept(rows, jobs, done.results, out)
    sources = {job.id: job.source for job in jobs}
    packed = shards.plan(out, kept, sources) if settings.shards else []
    while lost := _lost(out, packed):
        done.results = {clip: result for clip, result in done.results.items() if clip not in lost}
        done.finish(jobs, run_crop_job, executor, progress)
        kept = _kept(rows, jobs, done.results, out)
        packed = shards.plan(out, kept, sources)
    problems += [ClipProblem(job.id, reason) for job in jobs if (reason := done.results[job.id][0])]
    with writing(out):
        _write_problems(out / PROBLEMS_FILE, problems)
        reuse.note(out, [job for job in jobs if not done.results[job.id][0]])
    _check_parts(dataset, kept, f"that can be read (see {out / PROBLEMS_FILE})", {row.part for row in rows})
    if settings.shards:
        kept = _sharded(out, kept, packed, executor, packing)
    report = _report(dataset, kept, problems, whole=settings.limit is None)
    with writing(out):
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
        (out / REPORT_FILE).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if settings.shards:
            shards.remove_others(out, packed)
            shutil.rmtree(out / CLIPS_FOLDER, ignore_errors=True)
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
        elif not _is_utf8(found.id + found.media):
            problems.append(ClipProblem(found.id, "The file's name is not UTF-8: rename the file."))
        elif found.id in rows:
            problems.append(ClipProblem(found.id, f"It is listed again, in part {found.part}."))
        else:
            rows[found.id] = found
    return list(rows.values()), problems


def _is_utf8(text: str) -> bool:
    """Return whether a file's name can be written to tables; Python has surrogates for bytes that cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
    media = Path(row.media)
    return CropJob(row.id, media, source_of(media), row.fps, dataset.region, target, crop, settings.yunet)


def _lies_in(row: ClipRow, root: Path, folders: Iterable[str]) -> bool:
    return any(Path(row.media).is_relative_to(root / folder) for folder in folders)


def _kept(
    rows: Iterable[ClipRow], jobs: Iterable[CropJob], results: Mapping[str, Sequence[str]], out: Path
) -> list[ClipRow]:
    """Return the rows of clips that could be read, with the places of their crops."""
    crops = {job.id: job.target.relative_to(out).as_posix() for job in jobs if job.target is not None}
    kept = [row for row in rows if not results[row.id][0]]
    return [row.model_copy(update={"media": crops.get(row.id, row.media)}) for row in kept]


def _lost(out: Path, planned: Iterable[shards.Shard]) -> set[str]:
    """Return the clips of shards not yet written whose crops are gone, because other shards were made of them."""
    clips = (row for shard in planned if not shard.written for _, row in shard.clips)
    return {row.id for row in clips if not Path(row.media).is_absolute() and not (out / row.media).exists()}


def _sharded(
    out: Path,
    rows: Sequence[ClipRow],
    planned: Sequence[shards.Shard],
    executor: Executor,
    packing: Callable[[int, int], None],
) -> list[ClipRow]:
    """Write the shards; return the rows with the clips' places in them, in their old order."""
    places: dict[str, str] = {}
    for shard, fault in executor.run(planned, partial(write_shard, folder=out)):
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
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
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
