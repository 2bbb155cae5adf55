"""Write deploy/requirements: every package of each image with its version and hashes, from pyproject.toml.

make lock
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
IMAGES = {
    "gateway": ("gateway",),
    "worker": ("worker", "cpu"),
    "worker-gpu": ("worker", "gpu"),
    "train": ("render",),
}
_FLAGS = ("--quiet", "--strip-extras", "--generate-hashes", "--no-header", "--no-annotate", "--allow-unsafe")
_PLACES = ("--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links")
_SOURCES = ("--constraint=deploy/requirements/tested.in", "pyproject.toml", "deploy/requirements/any-python.in")
_WARNING = re.compile(r"^# WARNING: .*\n(?:# .*\n)*", re.MULTILINE)
_OURS = re.compile(r"^mien @ .*\n", re.MULTILINE)
# PyPI only, whatever index this machine's pip uses: other indexes may have builds that are not public.
_ELSEWHERE = ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL")
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
_ENVIRONMENT["PIP_CONFIG_FILE"] = os.devnull


def lock(image: str, extras: tuple[str, ...]) -> None:
    """Write an image's file."""
    target = HERE / "requirements" / f"{image}.txt"
    target.parent.mkdir(exist_ok=True)
    chosen = [f"--extra={extra}" for extra in extras]
    command = [sys.executable, "-m", "piptools", "compile", *_FLAGS, *_PLACES, *chosen, f"--output-file={target}"]
    subprocess.run([*command, *_SOURCES], check=True, cwd=HERE.parent, env=_ENVIRONMENT)  # noqa: S603 - our own command
    text = _OURS.sub("", _WARNING.sub("", target.read_text(encoding="utf-8")))
    target.write_text(f"# {image}: made by `make lock`\n{text.lstrip()}", encoding="utf-8")


if __name__ == "__main__":
    for name, wanted in IMAGES.items():
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            lock(name, wanted)
