"""Log a run to `log.jsonl`, a line for every few steps and for every validation, to TensorBoard, and if asked to W&B.

    {"step": 40, "epoch": 1.25, "loss": 0.91, "rate": 0.0003, "clips_per_s": 12.1, "waiting": 0.02}
    {"step": 64, "epoch": 2.0, "validation": {"score": 0.41, "expression UAR": 0.41, …}}

`step` counts steps done, `rate` is the learning rate, `waiting` the share of time spent waiting for data.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard.writer import SummaryWriter

from model.errors import ModelError

LOG = "log.jsonl"


class RunLog:
    """Write a run's log.

    Args:
        folder: the run's folder.
        step: steps done; later lines, which an earlier process logged but did not save, are removed.
        project: of Weights & Biases, where the run has the folder's name; None: not logged there.
        config: the recipe, for Weights & Biases.

    Raises:
        ModelError: a project is named, and its package is missing.
    """

    def __init__(
        self, folder: Path, step: int, project: str | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        self._wandb = _wandb_run(project, folder, config) if project else None
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / LOG
        kept = [line for line in _lines(path) if json.loads(line)["step"] <= step]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        self._log = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(folder / "tensorboard", purge_step=step + 1)

    def note(self, step: int, epoch: float, values: Mapping[str, Any]) -> None:
        """Log a line; numbers in `values`, or in dicts within it, become TensorBoard scalars."""
        self._log.write(json.dumps({"step": step, "epoch": round(epoch, 4), **values}) + "\n")
        self._log.flush()
        for name, value in values.items():
            parts = {f"{name}/{part}": v for part, v in value.items()} if isinstance(value, dict) else {name: value}
            for tag, number in parts.items():
                self._board.add_scalar(tag.replace(" ", "_"), number, step)
            if self._wandb:
                self._wandb.log(parts, step=step)

    def close(self) -> None:
        """Flush and close the files."""
        self._log.close()
        self._board.close()
        if self._wandb:
            self._wandb.finish()


def _wandb_run(project: str, folder: Path, config: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 — no stubs
    try:
        wandb = importlib.import_module("wandb")
    except ModuleNotFoundError as error:
        raise ModelError(
            "The key wandb names a project, and the package is missing: pip install wandb, or leave the key out."
        ) from error
    name = folder.resolve().name
    return wandb.init(project=project, dir=str(folder), name=name, id=name, resume="allow", config=dict(config or {}))


def _lines(path: Path) -> list[str]:
    """Return a log's complete lines; a line that was cut off is dropped."""
    if not path.exists():
        return []
    return [line.rstrip("\n") for line in path.open(encoding="utf-8") if line.endswith("\n")]
