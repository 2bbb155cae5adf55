"""Define the command `mien-model`. Heavy packages are imported inside the commands, so that `--help` answers fast."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from mien.contract.bundle import Manifest, VariantPrecision
from model.cli.many_values import ManyValues
from model.errors import ModelError

if TYPE_CHECKING:
    from model.train.loop import Loop

_STOPPED = 130  # the exit status of a run that a signal stopped, so that no next step of a script goes on from it

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Train, evaluate and export the models that Mien serves."
)

_Recipe = Annotated[str, typer.Argument(help="Recipe: a YAML file, or the name of one in model/recipes.")]
_Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Values that override the recipe's, for example epochs=10."),
]

_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what data is found, and estimate steps, memory and time.")
]
_Workers = Annotated[int | None, typer.Option(min=1, help="Number of processes; by default one for each CPU.")]
_Ray = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Work on a Ray cluster instead; its head: HOST:6379 from one of its nodes, ray://HOST:10001 from "
        "elsewhere. All nodes need the same folders at the same place.",
    ),
]
_YuNet = Annotated[
    Path | None, typer.Option(help="ONNX file of another model of the face detector YuNet than Mien's own.")
]

_Int8 = Annotated[
    bool, typer.Option("--int8", help="Write the graph in int8, too, which is faster on processors that have VNNI.")
]
_Float16 = Annotated[
    bool, typer.Option("--float16", help="Write the graph in float16, too, which is faster on graphics cards.")
]
_Clips = Annotated[
    Path | None,
    typer.Option(
        help="Prepared dataset on whose clips int8 and float16 are compared with float32; by default random patterns."
    ),
]

_Offsets = Annotated[
    list[str] | None,
    typer.Option(
        "--offset",
        metavar="LABEL=NUMBER",
        help="Number to add to the logarithm of an expression's probability, chosen on validation data where the label "
        "is predicted too often or too seldom; may be repeated.",
    ),
]

FEW_CLIPS = 500
"""Pre-training on fewer prints that it is only a trial."""


@app.command("sizes")
def sizes() -> None:
    """List the encoder sizes with their numbers of parameters and multiply-accumulate operations (MACs)."""
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
    dataset: Annotated[
        str, typer.Argument(help="Name of a dataset in `model/data/registry.py`; folder or csv for your own videos.")
    ],
    root: Annotated[Path, typer.Option(help="Folder of the dataset, in its published layout.")],
    out: Annotated[Path, typer.Option(help="Folder to write; the same command resumes a stopped run.")],
    workers: _Workers = None,
    ray: _Ray = None,
    shards: Annotated[bool, typer.Option("--shards", help="Pack the clips into tar files of a thousand.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of clips over all parts, for a trial.")
    ] = None,
    margin: Annotated[
        float, typer.Option(min=0, max=2, help="Margin around a face on each side, as a share of its longer side.")
    ] = 0.2,
    yunet: _YuNet = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="Name of a column in the dataset's table, for example clip=Video; may be repeated."),
    ] = None,
) -> None:
    """Prepare a dataset for training: read its layout, crop the faces, list unreadable clips."""
    from model.cli import prepare as preparing

    columns = preparing.columns_of(column or [])
    preparing.prepare_with_progress(
        dataset,
        root,
        out,
        columns=columns,
        workers=workers,
        ray=ray,
        shards=shards,
        limit=limit,
        margin=margin,
        yunet=yunet,
    )


@app.command("render")
def render(  # noqa: PLR0917 — typer makes options of them
    facekit: Annotated[Path, typer.Option(help="ICT-FaceKit: its folder of OBJ files, or an .npz of their arrays.")],
    clips: Annotated[int, typer.Option(min=1, help="Number of clips; can be raised later.")],
    out: Annotated[Path, typer.Option(help="Folder to write; the same command resumes a stopped run.")],
    seed: Annotated[int, typer.Option(min=0, help="Random seed; the same seed gives the same clips.")] = 0,
    workers: _Workers = None,
    ray: _Ray = None,
    yunet: _YuNet = None,
) -> None:
    """Render labelled clips of synthetic people for training."""
    from model.cli.render import render_with_progress
    from model.render.dataset import RenderSettings

    settings = RenderSettings(facekit=facekit.absolute(), yunet=yunet and yunet.absolute(), seed=seed)
    render_with_progress(settings, clips, out, workers, ray)


@app.command("sheet")
def sheet(
    folder: Annotated[Path, typer.Argument(help="Folder that render or prepare wrote.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")],
    clips: Annotated[int, typer.Option(min=1, help="Number of clips to show.")] = 56,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the choice of clips.")] = 0,
) -> None:
    """Draw a contact sheet: clips of a prepared folder with their labels."""
    from model.evaluation.sheet import write_sheet

    write_sheet(folder, out, clips=clips, seed=seed)
    typer.echo(f"Wrote {out}.")


@app.command("evaluate")
def evaluate(  # noqa: PLR0917 — typer makes options of them
    data: Annotated[Path, typer.Option(help="Folder of the prepared dataset.")],
    out: Annotated[Path, typer.Option(help="Folder for report.json, report.md and confusion.png.")],
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN", help="Folders of fine-tuning runs, one for each fold, or checkpoints.", show_default=False
        ),
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="Bundle to evaluate with ONNX Runtime, instead of runs.")] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(help="Part of the dataset; by default the one that the run was not trained on, or test."),
    ] = None,
    offset: _Offsets = None,
) -> None:
    """Evaluate models on the test parts of a dataset, for each fold and pooled."""
    from model.evaluate import evaluate as measured
    from model.evaluation.report import markdown, write_report
    from model.evaluation.trials import trials_of_bundle, trials_of_runs

    if bool(runs) == bool(bundle):
        raise ModelError("Name runs or checkpoints to evaluate, or a bundle with --bundle; one of the two.")
    if bundle and offset:
        raise ModelError("A bundle has its offsets already: give --offset when it is exported.")
    trials = (
        trials_of_bundle(bundle, data, part or ())
        if bundle
        else trials_of_runs(runs or (), data, part or (), _parsed(offset))
    )
    out.mkdir(parents=True, exist_ok=True)  # before the work, which would be lost if it cannot be made
    report = measured(trials, data)
    write_report(report, out)
    typer.echo(markdown(report))


@app.command("evaluate-as-served")
def evaluate_as_served(  # noqa: PLR0917 — typer makes options of them
    dataset: Annotated[str, typer.Argument(help="Name of the dataset in `model/data/registry.py`.")],
    root: Annotated[Path, typer.Option(help="Folder of the dataset, in its published layout.")],
    bundle: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    out: Annotated[Path, typer.Option(help="Folder for report.json, report.md and confusion.png.")],
    part: Annotated[str, typer.Option(help="Part of the dataset.")] = "test",
    yunet: _YuNet = None,
) -> None:
    """Evaluate a bundle on original videos or pictures, with faces detected, tracked and cropped as by a worker."""
    from rich.console import Console

    from model.cli.console import clips_bar, cpus
    from model.evaluation.as_served import evaluate_as_served as measured
    from model.evaluation.report import markdown, write_report

    out.mkdir(parents=True, exist_ok=True)  # as in `evaluate`
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


@app.command("import", cls=ManyValues)
def import_checkpoint(  # noqa: PLR0917 — typer makes options of them
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint (.pth) that SVFAP's authors published.")],
    out: Annotated[Path, typer.Option(help="Folder for the bundle, or for encoder.pt of a pre-training checkpoint.")],
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Dataset that it was fine-tuned on, for example dfew; not needed for pre-training checkpoints."
        ),
    ] = None,
    depths: Annotated[tuple[int, int, int], typer.Option(help="Number of blocks in each of the three stages.")] = (
        12,
        6,
        3,
    ),
    expressions: Annotated[
        list[str] | None, typer.Option(metavar="LABEL...", help="What the outputs are, in order, if not the dataset's.")
    ] = None,
    dimensions: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:LOW:HIGH...", help="The same of dimensions: valence:-1:1 arousal:-1:1"),
    ] = None,
    traits: Annotated[list[str] | None, typer.Option(metavar="TRAIT...", help="The same of traits, 0 to 1.")] = None,
    activation: Annotated[
        Literal["tanh", "sigmoid", "none"] | None,
        typer.Option(help="What follows the last layer of dimensions or traits, scaled to their range."),
    ] = None,
    interval: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds between two frames; by default the dataset's, or 0.16.")
    ] = None,
    int8: _Int8 = False,
    float16: _Float16 = False,
    clips: _Clips = None,
) -> None:
    """Convert a published checkpoint: a fine-tuned one to a bundle, a pre-training one to a start for training."""
    from rich.console import Console

    from model.cli.console import Steps
    from model.svfap.import_checkpoint import import_finetuned, import_pretraining
    from model.svfap.outputs import task_of
    from model.svfap.published import has_head, of_pretraining
    from model.svfap.weights_file import read_weights

    task = task_of(expressions=expressions or (), dimensions=dimensions or (), traits=traits or ())
    _silence_exporter()
    with Steps(Console(stderr=True)) as steps:
        steps("Reading the checkpoint")
        weights = read_weights(checkpoint)
        if of_pretraining(weights) or not (has_head(weights) or dataset or task):
            written = import_pretraining(checkpoint, weights, out, depths=depths)
            typer.echo(f"Weights without a head: pre-train or fine-tune from them with start={written}.")
            return
        manifest = import_finetuned(
            checkpoint,
            weights,
            out,
            name=dataset,
            depths=depths,
            task=task,
            activation=activation,
            interval_s=interval,
            variants=_variants(int8=int8, float16=float16),
            clips=clips,
            progress=steps,
        )
    _report_bundle(manifest, out)


@app.command("pretrain")
def pretrain(recipe: _Recipe, overrides: _Overrides = None, dry_run: _DryRun = False) -> None:
    """Pre-train an encoder on videos without labels; the same command resumes a stopped run."""
    from model import pretrain as recipes
    from model.train.config import read_recipe

    loop = recipes.pretrain(read_recipe(recipe, overrides or [], recipes.PretrainRecipe))
    _run(loop, name="last.pt", dry=dry_run)
    if loop.plan.clips < FEW_CLIPS:
        typer.echo(
            f"{loop.plan.clips} clips are enough to try the steps out, and too few to learn faces: what `reconstruct` "
            "draws is no sign of what the method can do."
        )


@app.command("finetune")
def finetune(recipe: _Recipe, overrides: _Overrides = None, dry_run: _DryRun = False) -> None:
    """Fine-tune a model on labelled videos; the same command resumes a stopped run."""
    from model import finetune as recipes
    from model.train.config import read_recipe

    loop = recipes.finetune(read_recipe(recipe, overrides or [], recipes.FinetuneRecipe))
    _run(loop, name="best.pt", dry=dry_run)


@app.command("average")
def average(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders of fine-tuning runs, or checkpoints; two at least.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new run.")],
) -> None:
    """Average the weights of fine-tuned models of one origin, and validate the mean as the last of them was."""
    from model.average import average as averaged

    if len(runs) < 2:
        raise ModelError("Name two runs at least.")
    for name, value in averaged(runs, out).items():
        typer.echo(f"{name}: {value:.4f}")
    typer.echo(f"Wrote {out / 'best.pt'}.")


@app.command("recipes")
def recipes() -> None:
    """List the recipes in model/recipes, and explain every key that a recipe may have."""
    from rich.console import Console

    from model.cli.recipes import show

    show(Console())


@app.command("export")
def export(  # noqa: PLR0917 — typer makes options of them
    run: Annotated[Path, typer.Argument(help="Folder of the fine-tuning run.")],
    out: Annotated[Path, typer.Option(help="Folder for the bundle.")],
    name: Annotated[str | None, typer.Option(help="Name of the bundle, in lower case; by default the run's.")] = None,
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "0.1.0",
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "As the owners of the training data say.",
    intended_use: Annotated[
        str, typer.Option(help="Intended use, in a sentence or two.")
    ] = "Research on affect in video.",
    hop: Annotated[
        float | None, typer.Option(min=0.01, help="Seconds between the starts of windows; by default half a window.")
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of an evaluation whose scores go into the bundle; may be repeated."),
    ] = None,
    notes: Annotated[
        list[Path] | None, typer.Option(help="Markdown file to append to the model card; may be repeated.")
    ] = None,
    offset: _Offsets = None,
    int8: _Int8 = False,
    float16: _Float16 = False,
    clips: _Clips = None,
) -> None:
    """Export a fine-tuning run's best checkpoint as a bundle."""
    from rich.console import Console

    from model.cli.console import Steps
    from model.export import export_run

    named = name or run.resolve().name.lower()
    _silence_exporter()
    with Steps(Console(stderr=True)) as steps:
        manifest = export_run(
            run,
            out,
            name=named,
            version=version,
            licence=licence,
            intended_use=intended_use,
            hop_s=hop,
            reports=report or (),
            notes=notes or (),
            offsets=_parsed(offset),
            variants=_variants(int8=int8, float16=float16),
            clips=clips,
            progress=steps,
        )
    _report_bundle(manifest, out)


@app.command("reconstruct")
def reconstruct(
    checkpoint: Annotated[
        Path, typer.Argument(help="Checkpoint of a pre-training run, for example runs/pretrain/last.pt.")
    ],
    video: Annotated[Path, typer.Argument(help="Video of a face.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")],
) -> None:
    """Draw a pre-trained model's reconstruction of a video: original, masked, reconstructed."""
    from model import reconstruct as pictures

    loss = pictures.reconstruct(checkpoint, video, out)
    typer.echo(f"Wrote {out}; the reconstruction loss of this clip is {loss:.4f}.")


def _parsed(offsets: list[str] | None) -> dict[str, float]:
    found = {}
    for text in offsets or ():
        label, _, number = text.partition("=")
        try:
            found[label] = float(number)
        except ValueError as error:
            raise ModelError(f"--offset {text} is no label and number: write for example sadness=-0.5.") from error
    return found


def _variants(**wanted: bool) -> list[VariantPrecision]:
    return [precision for precision in get_args(VariantPrecision) if wanted[precision]]


def _report_bundle(manifest: Manifest, out: Path) -> None:
    gap = manifest.parity.max_abs_difference
    typer.echo(f"{manifest.name} {manifest.version} is in {out}; PyTorch and ONNX Runtime differ by {gap:.1e} at most.")
    for variant in manifest.variants:
        parity = variant.parity
        typer.echo(
            f"In {variant.precision} it differs from that by {parity.max_abs_difference:.1e} of a range at most, and "
            f"{parity.same_label:.1%} of {parity.clips} clips keep their label ({parity.data})."
        )
    for warning in manifest.training.warnings:
        typer.secho(f"Warning, which every answer will repeat: {warning}", fg="yellow", err=True)


def _run(loop: Loop, *, name: str, dry: bool) -> None:
    """Run a loop and print how it ended, or only an estimate of its cost."""
    if dry:
        from model.cli.estimate import show

        show(loop)
        return
    out = loop.recipe.out
    if not loop.run():
        typer.echo(f"Stopped; the checkpoint is in {out}. Run the same command to resume.", err=True)
        raise typer.Exit(_STOPPED)
    typer.echo(f"Done: {out / name}.")


def _silence_exporter() -> None:
    """Silence the ONNX exporter's warnings about packages that no model needs."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)


def main() -> None:
    """Run the command; print a user's error as one message and exit with status 2."""
    try:
        app()
    except ModelError as error:
        typer.secho(_told(error), fg="red", err=True)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:  # of no file that the user named
            raise
        typer.secho(f"{error.filename}: {error.strerror}.", fg="red", err=True)
        sys.exit(2)


def _told(error: ModelError) -> str:
    """Return an error's message; one that a loader's process raised comes with that process' traceback before it."""
    text = str(error)
    if "Original Traceback" not in text:
        return text
    return text.rstrip().splitlines()[-1].partition(": ")[2]
