"""The page's scripts that need no browser, tested by Node's own test runner."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not on this machine")
def test_the_pages_pure_scripts_do_what_their_tests_say():
    tests = sorted(Path(__file__).with_name("page").glob("*.test.mjs"))

    run = subprocess.run(["node", "--test", *tests], check=False, capture_output=True, text=True)

    assert run.returncode == 0, run.stdout + run.stderr
