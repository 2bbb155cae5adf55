"""Say errors and warnings in the words of the command line."""

from __future__ import annotations

import re
import sys

import typer

from mien.contract.errors import KeyRefused, KeyRequired, MienError, NoSuchAnalysis, Unreachable

FLAGS = {
    "faces": "--faces", "start_s": "--start", "end_s": "--end", "hop_s": "--hop", "track": "--track",
    "tasks": "--task",
}  # fmt: skip
"""The options of the contract and their flags."""

# A name that is also a word counts only where it is called an option.
_NAMES = re.compile(
    rf"(?:(?<=\boption )(?P<called>{'|'.join(FLAGS)})\b)|[`'](?P<quoted>{'|'.join(FLAGS)})[`']|\b(?P<plain>\w+_s)\b"
)


def explanation(error: MienError, *, local: bool = False) -> str:
    """Return an error's sentence, with the flags of the command line in it.

    Args:
        error: the error.
        local: whether the command has the option --local.
    """
    match error:
        case Unreachable():
            way_out = ", or use --local" if local else ""
            start = "Start the service with `mien serve`, or set another address with --url or MIEN_URL"
            return f"{error.reason} {start}{way_out}."
        case KeyRequired():
            return (
                "The service needs an API key: give one with --key or MIEN_KEY. The operator makes one with "
                "`mien keys create`."
            )
        case KeyRefused():
            reason = error.detail.partition(". ")[0]
            return f"{reason}. Give a valid one, from `mien_` to its last character, with --key or MIEN_KEY."
        case NoSuchAnalysis():
            return "No analysis has this id. `mien list` shows the ids that there are."
    return in_flags(error.detail)


def in_flags(sentence: str) -> str:
    """Replace the names of the API's options in a sentence by flags."""

    def flag(match: re.Match[str]) -> str:
        return FLAGS.get(match["called"] or match["quoted"] or match["plain"], match[0])

    return _NAMES.sub(flag, sentence)


def hint(text: str) -> None:
    """Say on a terminal what the user may want to do next."""
    if sys.stderr.isatty():
        typer.echo(f"Next: {text}", err=True)
