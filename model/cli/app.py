"""The command `mien-model`. What is heavy is imported inside the commands, so that `--help` answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.errors import ModelError

if TYPE_CHECKING:
    from mien.contract.bundle import Manifest

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Make the models that Mien serves.")

_Recipe = Annotated[str, typer.Argument(help="A YAML file, or the name of one in model/recipes.")]
_Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="As epochs=10.")]


@app.command("sizes")
def sizes() -> None:
    """Show the encoder sizes with their parameters and multiply-adds (MACs)."""
    from rich.console import Console
    from rich.table import Table

    from model.tpsbt.complexity import CLIP, complexity
    from model.tpsbt.zoo import ZOO

    table = Table("size", "width", "heads", "depths", "parameters (M)", "GMACs")
    table.caption = "for one clip of {2} frames of {3} by {4} pixels".format(*CLIP)
    for name, size in ZOO.items():
        parameters, macs = complexity(size)
        depths = "-".join(map(str, size.depths))
        table.add_row(name, str(size.width), str(size.heads), depths, f"{parameters / 1e6:.1f}", f"{macs / 1e9:.1f}")
    Console().print(table)


@app.command("prepare")
def prepare(  # noqa: PLR0917 — typer makes options of them
    dataset: Annotated[str, typer.Argument(help="Its name in `model/data/registry.py`, or folder, or csv.")],
    root: Annotated[Path, typer.Option(help="Where the dataset lies, as its owners hand it out.")],
    out: Annotated[Path, typer.Option(help="The prepared folder; a second call goes on with it.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one for each CPU.")] = None,
    shards: Annotated[bool, typer.Option("--shards", help="Put the clips into tar files of a thousand.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Most clips, of all parts, to try it out.")] = None,
    margin: Annotated[
        float, typer.Option(min=0, max=2, help="Kept around a face on each side, as a share of its longer side.")
    ] = 0.2,
    yunet: Annotated[Path | None, typer.Option(help="YuNet's ONNX file: finds faces that look aside, too.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="As clip=Video: what a column is called in the dataset's own table.")
    ] = None,
) -> None:
    """Make a dataset ready for training: read its layout, cut faces out, list what cannot be read."""
    from model.cli import prepare as preparing

    columns = preparing.columns_of(column or [])
    preparing.prepare_with_progress(
        dataset,
        root,
        out,
        columns=columns,
        workers=workers,
        shards=shards,
        limit=limit,
        margin=margin,
        yunet=yunet,
    )


@app.command("render")
def render(  # noqa: PLR0917 — typer makes options of them
    facekit: Annotated[Path, typer.Option(help="ICT-FaceKit: its folder of OBJ files, or their arrays as .npz.")],
    clips: Annotated[int, typer.Option(min=1, help="How many; more can be added later.")],
    out: Annotated[Path, typer.Option(help="The folder; a second call goes on with it.")],
    seed: Annotated[int, typer.Option(min=0, help="The same one gives the same clips.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one for each CPU.")] = None,
    yunet: Annotated[Path | None, typer.Option(help="YuNet's ONNX file: finds faces that look aside, too.")] = None,
) -> None:
    """Render clips of people that do not exist, with labels, ready for training."""
    from model.cli.render import render_with_progress
    from model.render.dataset import RenderSettings

    render_with_progress(
        RenderSettings(facekit=facekit.absolute(), yunet=yunet and yunet.absolute(), seed=seed), clips, out, workers
    )


@app.command("sheet")
def sheet(
    folder: Annotated[Path, typer.Argument(help="What render or prepare wrote.")],
    out: Annotated[Path, typer.Option(help="The picture, a PNG.")],
    clips: Annotated[int, typer.Option(min=1, help="How many to show.")] = 56,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice.")] = 0,
) -> None:
    """Show clips of a prepared folder with their labels: a contact sheet."""
    from model.evaluation.sheet import write_sheet

    write_sheet(folder, out, clips=clips, seed=seed)
    typer.echo(f"{out} is there.")


@app.command("evaluate")
def evaluate(
    data: Annotated[Path, typer.Option(help="The prepared dataset.")],
    out: Annotated[Path, typer.Option(help="The folder for report.json, report.md and confusion.png.")],
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Fine-tuning runs, one a fold, or checkpoints.", show_default=False),
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle instead, through ONNX Runtime.")] = None,
    part: Annotated[
        list[str] | None, typer.Option(help="A part of the data; by default the one a run was not trained on, or test.")
    ] = None,
) -> None:
    """Measure models on the test parts of a dataset, fold by fold and pooled."""
    from model.evaluate import evaluate as measured
    from model.evaluation.report import markdown, write_report
    from model.evaluation.trials import trials_of_bundle, trials_of_runs

    if bool(runs) == bool(bundle):
        raise ModelError("Name runs or checkpoints to evaluate, or a bundle with --bundle; one of the two.")
    trials = trials_of_bundle(bundle, data, part or ()) if bundle else trials_of_runs(runs or (), data, part or ())
    report = measured(trials, data)
    write_report(report, out)
    typer.echo(markdown(report))


@app.command("evaluate-as-served")
def evaluate_as_served(  # noqa: PLR0917 — typer makes options of them
    dataset: Annotated[str, typer.Argument(help="Its name in `model/data/registry.py`.")],
    root: Annotated[Path, typer.Option(help="Where the dataset lies, as its owners hand it out.")],
    bundle: Annotated[Path, typer.Option(help="The bundle.")],
    out: Annotated[Path, typer.Option(help="The folder for report.json, report.md and confusion.png.")],
    part: Annotated[str, typer.Option(help="A part of the data.")] = "test",
    yunet: Annotated[Path | None, typer.Option(help="YuNet's ONNX file, instead of OpenCV's cascade.")] = None,
) -> None:
    """Measure a bundle on videos or pictures as they are: found, followed and cut out as a worker does it."""
    from rich.console import Console

    from model.cli.console import clips_bar, cpus
    from model.evaluation.as_served import evaluate_as_served as measured
    from model.evaluation.report import markdown, write_report

    with clips_bar(Console(stderr=True)) as bar:
        task = bar.add_task(f"Scoring {dataset}", total=None)
        report = measured(
            bundle,
            dataset,
            root,
            part,
            yunet=yunet,
            workers=cpus(),
            progress=lambda done, everything: bar.update(task, completed=done, total=everything),
        )
    write_report(report, out)
    typer.echo(markdown(report))


@app.command("import")
def import_checkpoint(
    checkpoint: Annotated[Path, typer.Argument(help="A .pth of SVFAP's authors.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder; of pre-training, the folder for encoder.pt.")],
    dataset: Annotated[
        str | None, typer.Option(help="What it was fine-tuned on, e.g. dfew; not needed for a pre-training checkpoint.")
    ] = None,
    depths: Annotated[tuple[int, int, int], typer.Option(help="Blocks in each stage.")] = (12, 6, 3),
) -> None:
    """Make a bundle of a published fine-tuned checkpoint, or a start for fine-tuning of a pre-training one."""
    import logging

    from model.svfap.import_checkpoint import import_finetuned, import_pretraining
    from model.svfap.published import of_pretraining
    from model.svfap.weights_file import read_weights

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that no model here needs
    weights = read_weights(checkpoint)
    if of_pretraining(weights):
        written = import_pretraining(checkpoint, weights, out, depths=depths)
        typer.echo(f"Pre-training weights: fine-tune from them with start={written}.")
        return
    if dataset is None:
        raise ModelError(f"{checkpoint} is of fine-tuning: name what it was fine-tuned on, as --dataset dfew.")
    _report_bundle(import_finetuned(checkpoint, weights, out, name=dataset, depths=depths), out)


@app.command("pretrain")
def pretrain(recipe: _Recipe, overrides: _Overrides = None) -> None:
    """Let an encoder learn faces from videos without labels; the same command goes on with a stopped run."""
    from model import pretrain as recipes
    from model.train.config import read_recipe

    settings = read_recipe(recipe, overrides or [], recipes.PretrainRecipe)
    _report_end(settings.out, ended=recipes.pretrain(settings), name="last.pt")


@app.command("finetune")
def finetune(recipe: _Recipe, overrides: _Overrides = None) -> None:
    """Let a model learn to read affect from labelled videos; the same command goes on with a stopped run."""
    from model import finetune as recipes
    from model.train.config import read_recipe

    settings = read_recipe(recipe, overrides or [], recipes.FinetuneRecipe)
    _report_end(settings.out, ended=recipes.finetune(settings), name="best.pt")


def _report_bundle(manifest: Manifest, out: Path) -> None:
    gap = manifest.parity.max_abs_difference
    typer.echo(f"{manifest.name} {manifest.version} is in {out}; PyTorch and ONNX Runtime differ by {gap:.1e} at most.")


def _report_end(out: Path, *, ended: bool, name: str) -> None:
    how = f"Done: {out / name}." if ended else f"Stopped; what was learned is in {out}. The same command goes on."
    typer.echo(how)


@app.command("export")
def export(  # noqa: PLR0917 — typer makes options of them
    run: Annotated[Path, typer.Argument(help="A fine-tuning run's folder.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder.")],
    name: Annotated[str | None, typer.Option(help="The bundle's, in lower case; by default the run's.")] = None,
    version: Annotated[str, typer.Option(help="The bundle's.")] = "0.1.0",
    licence: Annotated[str, typer.Option(help="Of the weights.")] = "As the owners of the training data say.",
    intended_use: Annotated[str, typer.Option(help="In a sentence or two.")] = "Research on affect in video.",
    hop: Annotated[
        float | None, typer.Option(min=0.01, help="Seconds between windows; by default half of one.")
    ] = None,
    report: Annotated[
        list[Path] | None, typer.Option(help="An evaluation's folder, for the scores that it found; may be repeated.")
    ] = None,
    notes: Annotated[Path | None, typer.Option(help="Markdown that the model card ends with.")] = None,
) -> None:
    """Make a bundle of a fine-tuning run's best checkpoint."""
    import logging

    from model.export import export_run

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that no model here needs
    named = name or run.resolve().name.lower()
    manifest = export_run(
        run,
        out,
        name=named,
        version=version,
        licence=licence,
        intended_use=intended_use,
        hop_s=hop,
        reports=report or (),
        notes=notes,
    )
    _report_bundle(manifest, out)


@app.command("reconstruct")
def reconstruct(
    checkpoint: Annotated[Path, typer.Argument(help="Of a pre-training run, as runs/pretrain/last.pt.")],
    video: Annotated[Path, typer.Argument(help="Of a face.")],
    out: Annotated[Path, typer.Option(help="The picture, a PNG.")],
) -> None:
    """Show what a pre-trained model makes of a video: original, masked, reconstructed."""
    from model import reconstruct as pictures

    loss = pictures.reconstruct(checkpoint, video, out)
    typer.echo(f"{out} is there; the loss of this clip is {loss:.4f}.")


def main() -> None:
    """Run the command; what is wrong on the user's side is one message and exit code 2."""
    try:
        app()
    except ModelError as error:
        typer.secho(error, fg="red", err=True)
        sys.exit(2)
