"""Say what to install when a command needs more than the package `mien`."""

from __future__ import annotations

_APPLICATIONS = ("service", "model")


def advice(error: ModuleNotFoundError, extra: str) -> str:
    """Return what to do about a module that cannot be imported.

    Args:
        error: names the module.
        extra: the extra of pyproject.toml that installs what the command needs.
    """
    module = (error.name or "").partition(".")[0]
    if module in _APPLICATIONS:
        return (
            f"this needs a checkout of Mien, not the installed package alone. Clone the repository and run "
            f"pip install -e '.[{extra}]' in it."
        )
    return f"the Python package {module} is missing. Run pip install -e '.[{extra}]' in Mien's checkout."
