"""Write `MODEL_CARD.md`, the readable form of a bundle's manifest."""

from __future__ import annotations

from mien.contract.bundle import Manifest, Task, Variant
from model.tasks.kinds import kind_of

MUST_NOT = """\
Decisions about people: whom to hire, admit, insure, lend to, promote, diagnose, police or punish. A face in a video
shows how somebody looks to others for a moment. It does not show what they feel, what they are like, whether they
tell the truth, or how well they are. Apparent personality is the impression that strangers had of a video, with
their prejudices. Do not use it on people who do not know of it and have not agreed.

In the European Union, reading emotions of people at work or in education is forbidden but for medical or safety
reasons (Regulation (EU) 2024/1689, the AI Act, Article 5(1)(f)), and elsewhere those who use such a system must tell
the people it is used on (Article 50(3))."""

UNTRAINED = """\
> **The weights are random. The scores mean nothing until the model is trained.**

"""


def model_card(manifest: Manifest, notes: str = "", evaluations: str = "") -> str:
    """Format the model card as Markdown.

    Args:
        manifest: the bundle's.
        notes: Markdown for the end of the card.
        evaluations: Markdown of what evaluations found; without any, the manifest's scores are listed.
    """
    clip, crop = manifest.input, manifest.crop
    tasks = "\n".join(f"- {_describe(task)}" for task in manifest.tasks)
    scores = "\n".join(f"- {metric}: {value:g}" for metric, value in manifest.training.scores.items())
    return f"""\
# {manifest.name} {manifest.version}

{"" if manifest.training.trained else UNTRAINED}\
{"".join(f"> **{warning}**{chr(10) * 2}" for warning in manifest.training.warnings)}\
TPSBT, the encoder of SVFAP (Sun et al., *SVFAP: Self-supervised Video Facial Affect Perceiver*, arXiv 2401.00416),
with a head for each task. Licence: {manifest.licence}.

## What it reads
{tasks}

## What it takes
{clip.frames} RGB frames, {clip.interval_s:g} s apart, of one face: a {crop.shape} around the face's box with
{crop.margin:.0%} of its longer side added on each side, resized to {clip.size} by {clip.size} pixels. A new window
starts every {manifest.hop_s:g} s.
{"".join(f"{chr(10)}{_variant(variant)}{chr(10)}" for variant in manifest.variants)}\

## What it was trained on
{manifest.training.data}

## How well it does
{evaluations or scores or "It has not been measured."}

## What it is for
{manifest.intended_use}

## What it must not be used for
{MUST_NOT}
{notes and chr(10) + notes.strip() + chr(10)}"""


def _variant(variant: Variant) -> str:
    parity = variant.parity
    return (
        f"It is here in {variant.precision}, too. Probabilities and values then differ by up to "
        f"{parity.max_abs_difference:.4f} of their range, and {parity.same_label:.1%} of {parity.clips} clips\n"
        f"({parity.data}) keep their most probable expression."
    )


def _describe(task: Task) -> str:
    kind = kind_of(task)
    with_ranges = (f"{name} in [{low:g}, {high:g}]" for name, (low, high) in task.ranges.items())
    return f"{kind.title}: {', '.join(with_ranges if kind.own_ranges else task.names)}."
