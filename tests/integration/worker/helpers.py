"""A queue, a folder of blobs, and workers for them."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mien.contract.options import AnalyzeOptions
from mien.contract.results import Findings
from service.queue.consumer import Consumer
from service.queue.jobs import Job
from service.storage.blobs import Blobs
from service.worker.loop import JobLoop
from service.worker.occupancy import Occupancy
from service.worker.outages import Outages
from service.worker.pipeline import AnalysisEvent, Analyzed
from tests.chaos.stand_in import NOTHING
from tests.contract.helpers import Queue, registration
from tests.processes import Process, descendants, wait_for, worker


@dataclass
class Site:
    """The queue and the store of one service."""

    queue: Queue
    folder: Path
    bundle: Path

    @property
    def blobs(self) -> Path:
        return self.folder / "blobs"

    def worker(self, **settings: object) -> AbstractContextManager[Process]:
        """Run a worker with the tiny bundle, unless `settings` say otherwise."""
        return worker(self.folder, self.queue.url, **{"bundles": json.dumps([str(self.bundle)]), **settings})

    def submit(self, job_id: str, video: Path, **options: object) -> None:
        """Do what the gateway does: the upload into the store, then the job into the queue."""
        upload = self.blobs / "uploads" / job_id
        upload.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(video, upload)
        size = upload.stat().st_size
        self.queue.run(
            self.queue.jobs.submit(
                job_id, upload=f"uploads/{job_id}", size=size, price=size, options=AnalyzeOptions(**options)
            )
        )

    def ended(self, job_id: str) -> Job:
        """Wait until the job has ended."""
        return wait_for(lambda: self.queue.find(job_id) if self.queue.find(job_id).state.terminal else None)

    def under_way(self, job_id: str) -> None:
        """Wait until the job's progress is seen."""
        wait_for(lambda: self.queue.find(job_id).done_s > 0)

    def fence(self, job_id: str) -> int:
        return int(self.queue.field(job_id, "fence") or 0)

    def attempts(self, job_id: str) -> int:
        return int(self.queue.field(job_id, "attempts") or 0)

    def files(self, folder: str) -> list[str]:
        return sorted(file.name for file in (self.blobs / folder).glob("*"))

    def findings(self, job: Job) -> Findings:
        assert job.result is not None
        return Findings.model_validate_json((self.blobs / job.result).read_bytes())


Analyze = Callable[[Path], Iterator[AnalysisEvent]]


class ToldPipeline:
    """A pipeline that yields given events, and then no face."""

    def __init__(self, analyze: Analyze) -> None:
        self._analyze = analyze

    def analyze(self, _job: str, video: Path, *_: object, **_how: object) -> Iterator[AnalysisEvent]:
        yield from self._analyze(video)
        yield Analyzed(NOTHING, decode_ms=1, inference_ms=1)


def job_loop(
    consumer: Consumer,
    blobs: Blobs,
    analyze: Analyze,
    outages: Outages | None = None,
    occupancy: Occupancy | None = None,
) -> JobLoop:
    """Return a worker's loop of one slot."""
    return JobLoop(
        consumer,
        blobs,
        ToldPipeline(analyze),
        slots=1,
        drain_s=1,
        occupancy=occupancy or Occupancy(),
        outages=outages or Outages(),
        register=lambda rate: registration("ann", rate),
    )


@contextmanager
def looping(consumer: Consumer, blobs: Blobs, analyze: Analyze) -> Iterator[Outages]:
    """Run a worker's loop of one slot in this process."""
    outages = Outages()
    loop = job_loop(consumer, blobs, analyze, outages)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield outages
    finally:
        loop.stop()
        thread.join()


def decode_children(running: Process) -> list[int]:
    """Return the process ids of a worker's decode children: its children's children."""
    return [pid for pid in descendants(running.pid) if _parent(pid) not in (running.pid, None)]


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
