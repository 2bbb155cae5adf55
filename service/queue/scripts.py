"""Load Lua scripts by name; each opens with its keys, arguments and promise."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "lua"


def script(*names: str) -> str:
    """Return the text of the script `lua/{name}.lua`, after the files of functions that it uses, named before it."""
    return "\n".join((_FOLDER / f"{name}.lua").read_text(encoding="utf-8") for name in names)
