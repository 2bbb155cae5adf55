"""Choose where `mien-model prepare` and `render` process their clips, by the options --workers and --ray."""

from __future__ import annotations

from pathlib import Path

from model.cli.console import cpus
from model.data.executors import Executor, Processes
from model.data.journal import JOURNAL_FILE
from model.data.ray_cluster import RayCluster
from model.errors import ModelError


def executor_of(workers: int | None, ray: str | None, out: Path, needed: tuple[Path | None, ...]) -> Executor:
    """Return the executor.

    Args:
        workers: processes; by default one for each CPU.
        ray: the address of a Ray cluster to use instead.
        out: the folder that is written to.
        needed: what else the nodes of a cluster must see.

    Raises:
        ModelError: both are given.
    """
    if ray is None:
        return Processes(workers or cpus())
    if workers is not None:
        raise ModelError("--workers counts processes of this machine: a Ray cluster uses all processors that it has.")
    shared = (out / JOURNAL_FILE, *(path for path in needed if path is not None))
    return RayCluster(ray, tuple(path.absolute() for path in shared))
