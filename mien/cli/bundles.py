"""`mien bundles check`: test whether a worker would serve a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.app import cli

bundles = typer.Typer(help="Inspect bundles: folders with a model that a worker can serve.", no_args_is_help=True)
cli.add_typer(bundles, name="bundles")


@bundles.command()
def check(
    folders: Annotated[list[Path], typer.Argument(help="Folders of bundles.", metavar="DIR")],
) -> None:
    """Open bundles as a worker does (manifest, digests, shapes, a first inference of each graph) and describe them."""
    from mien.cli.messages import hint
    from mien.contract.errors import Misconfigured
    from service.worker.onnx_model import open_models

    refused = False
    for folder in folders:
        try:
            [model] = open_models([folder], ["cpu"], precision="float32")
            for variant in model.manifest.variants:
                open_models([folder], ["cpu"], precision=variant.precision)
        except Misconfigured as error:
            refused = True
            typer.echo(f"{folder}: {error}", err=True)
            continue
        manifest = model.manifest
        tasks = ", ".join(task.kind for task in manifest.tasks)
        state = "trained" if manifest.training.trained else "NOT trained: its scores mean nothing"
        window_s = manifest.input.frames * manifest.input.interval_s
        typer.echo(
            f"{folder}: {manifest.name} {manifest.version}, {state}; {tasks}; windows of {window_s:g} s, "
            f"{manifest.hop_s:g} s apart; {', '.join(manifest.graphs)}"
        )
    if refused:
        raise typer.Exit(1)
    served = ", ".join(f'"{folder.resolve()}"' for folder in folders)
    hint(f"MIEN_BUNDLES='[{served}]' mien serve serves {'it' if len(folders) == 1 else 'them'}.")
