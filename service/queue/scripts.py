"""The Lua scripts, by name; each opens with its keys, arguments and promise."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "lua"


def script(name: str) -> str:
    """Return the text of the script `lua/{name}.lua`."""
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
