"""The command `mien-model`. What is heavy is imported inside the commands, so that `--help` answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Make the models that Mien serves.")


@app.command("export-default")
def export_default(
    out: Annotated[Path, typer.Option(help="The bundle's folder.")] = Path("service/worker/bundles/default"),
    seed: Annotated[int, typer.Option(help="Of the random weights.")] = 0,
) -> None:
    """Write the default bundle: size tiny, untrained."""
    import logging

    from model import default_bundle
    from model.export import ExportRefused

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that no model here needs
    try:
        manifest = default_bundle.export_default(out, seed)
    except ExportRefused as error:
        typer.secho(error, fg="red", err=True)
        raise typer.Exit(1) from error
    gap = manifest.parity.max_abs_difference
    typer.echo(f"{manifest.name} {manifest.version} is in {out}; PyTorch and ONNX Runtime differ by {gap:.1e} at most.")


@app.command("sizes")
def sizes() -> None:
    """Show the sizes of the encoder and what they cost."""
    from rich.console import Console
    from rich.table import Table

    from model.tpsbt.cost import CLIP, cost
    from model.tpsbt.zoo import ZOO

    table = Table("size", "width", "heads", "depths", "parameters (M)", "GMACs")
    table.caption = "for one clip of {2} frames of {3} by {4} pixels".format(*CLIP)
    for name, size in ZOO.items():
        parameters, macs = cost(size)
        depths = "-".join(map(str, size.depths))
        table.add_row(name, str(size.width), str(size.heads), depths, f"{parameters / 1e6:.1f}", f"{macs / 1e9:.1f}")
    Console().print(table)


def main() -> None:
    """Run the command."""
    app()
