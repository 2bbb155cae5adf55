"""All commands of `mien`, in the order in which `--help` lists them."""

from mien.cli import analyze, report, live, analyses, serve, keys, bundles  # noqa: F401, I001 - they register themselves
from mien.cli.app import cli

__all__ = ["cli"]
