from __future__ import annotations

import sys

import pytest

from model import cli


@pytest.fixture
def command(monkeypatch, capsys):
    """Run `mien-model` as from a shell; return its status and what it said."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["mien-model", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code or 0, " ".join((said.out + said.err).split())

    return command
