"""Errors of the user's files and settings. A message is one sentence: the file or key, and what was expected."""

from __future__ import annotations


class ModelError(Exception):
    """Base of all errors that the commands report by their message and without a traceback."""
