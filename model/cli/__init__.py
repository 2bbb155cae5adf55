"""The command `mien-model`."""

from model.cli.app import main

__all__ = ["main"]
