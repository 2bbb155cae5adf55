"""Run jobs on a Ray cluster: one task for each job, which is run again if its node is lost."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import mien
import model
import service
from model.data.executors import AHEAD, ONE_THREAD, Result, Work
from model.errors import ModelError

_RETRIES = 3  # retries of a task whose process or node is lost
_LEAST_AHEAD = 16


@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster whose nodes have Mien's packages and see the same folders; the code is sent to them.

    Attributes:
        address: of its head, HOST:PORT from a node of the cluster, ray://HOST:10001 from elsewhere.
        shared: files and folders that every node must see.
    """

    address: str
    shared: tuple[Path, ...]

    def run(self, jobs: Sequence[Work], do: Callable[[Work], Result]) -> Iterator[tuple[Work, Result]]:
        """See `Executor`."""
        try:
            import ray
        except ModuleNotFoundError as error:
            raise ModelError("The Python package ray is missing: run pip install -e '.[ray]'.") from error
        try:
            ray.init(
                self.address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"py_modules": _CODE, "excludes": ["__pycache__", "bundles"], "env_vars": ONE_THREAD},
            )
        except (ConnectionError, ValueError) as error:
            raise ModelError(
                f"There is no Ray cluster at {self.address}: start one with `ray start --head`."
            ) from error
        try:
            yield from _run(ray, jobs, do, self.shared)
        finally:
            ray.shutdown()  # ends running tasks


def _run(
    ray: Any,  # noqa: ANN401 - a module that is not always there
    jobs: Sequence[Work],
    do: Callable[[Work], Result],
    shared: Sequence[Path],
) -> Iterator[tuple[Work, Result]]:
    task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_on_node)
    waiting = iter(jobs)
    running: dict[Any, Work] = {}
    while True:
        processors = int(ray.cluster_resources().get("CPU", 0))  # nodes come and go
        for job in islice(waiting, max(0, max(_LEAST_AHEAD, AHEAD * processors) - len(running))):
            running[task.remote(do, job, shared)] = job
        if not running:
            return
        done, _ = ray.wait(list(running), num_returns=1)
        for reference in done:
            job = running.pop(reference)
            try:
                missing, result = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RayError as error:
                raise ModelError(
                    f"The clip {job.id} was lost with its process or node {_RETRIES + 1} times, perhaps for want of "
                    "memory. What is done is kept: run the same command again."
                ) from error
            if missing:
                raise ModelError(f"{missing}: all nodes need the same folders at the same place. Then run it again.")
            yield job, result


def _on_node(do: Callable[[Work], Result], job: Work, shared: Sequence[Path]) -> tuple[str, Result | None]:
    """Return what is missing on this node, or an empty string and the job's result."""
    for path in shared:
        if not path.exists():
            return f"The node {socket.gethostname()} does not see {path}", None
    return "", do(job)


_CODE = [str(Path(package.__path__[0])) for package in (mien, model, service)]
