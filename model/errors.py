"""What goes wrong at the user's end, in one sentence that names the file or key and what was expected."""

from __future__ import annotations


class ModelError(Exception):
    """Base of all that the commands report without a traceback; its message is for the user."""
