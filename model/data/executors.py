"""Run one job for each clip or shard: in processes of this machine, or on a cluster.

An executor yields each job with its result as it finishes, in any order. `Processes` is here; `model.data.ray_cluster`
has the other one.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

from model.errors import ModelError

AHEAD = 4
"""Number of jobs that wait for each processor."""

ONE_THREAD = {"LP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Environment of the processes, one for each processor, with which Mesa's and NumPy's threads would compete."""


class Identified(Protocol):
    """A job with an id."""

    @property
    def id(self) -> str:
        """The job's id, unique among all jobs."""
        ...


Work = TypeVar("Work", bound=Identified)
Result = TypeVar("Result")


class Executor(Protocol):
    """Run jobs."""

    def run(self, jobs: Sequence[Work], do: Callable[[Work], Result]) -> Iterator[tuple[Work, Result]]:
        """Run jobs and yield each with its result as it finishes.

        Raises:
            ModelError: the jobs cannot be run.
        """
        ...


@dataclass(frozen=True)
class Processes:
    """Processes of this machine.

    Attributes:
        count: number of processes; 1 runs the jobs in this process.
    """

    count: int

    def run(self, jobs: Sequence[Work], do: Callable[[Work], Result]) -> Iterator[tuple[Work, Result]]:
        """See `Executor`."""
        if self.count == 1:
            yield from ((job, do(job)) for job in jobs)
            return
        for name, threads in ONE_THREAD.items():
            os.environ.setdefault(name, threads)
        waiting = iter(jobs)
        running: dict[Future[Result], Work] = {}
        with ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn")) as pool:
            try:
                while True:
                    for job in islice(waiting, AHEAD * self.count - len(running)):
                        running[pool.submit(do, job)] = job
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(future), future.result()
            except BrokenProcessPool as error:
                raise ModelError(
                    "A process was killed, perhaps for want of memory: run it again with fewer."
                ) from error
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
