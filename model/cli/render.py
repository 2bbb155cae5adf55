"""Run `mien-model render`: show progress on stderr, then the number of clips."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from model.cli.console import clips_bar
from model.cli.executor import executor_of
from model.render.dataset import RenderSettings, render


def render_with_progress(settings: RenderSettings, clips: int, out: Path, workers: int | None, ray: str | None) -> None:
    """Render clips with a progress bar; see `render`."""
    console = Console(stderr=True)
    with clips_bar(console) as bar:
        task = bar.add_task("Rendering", total=None)
        used = render(
            settings,
            clips,
            out,
            executor=executor_of(workers, ray, out, (settings.facekit, settings.yunet)),
            progress=lambda done, everything: bar.update(task, completed=done, total=everything),
        )
    Console(soft_wrap=True).print(f"{out} is ready: {used} of {clips} clips can be used.")
