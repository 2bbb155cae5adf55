"""Write deploy/requirements: for each image, every package with its version and hashes, from what pyproject.toml asks.

make lock
"""

from __future__ import annotations

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
_WARNING = re.compile(r"^# WARNING: .*\n(?:# .*\n)*", re.MULTILINE)
_OURS = re.compile(r"^mien @ .*\n", re.MULTILINE)
_LOCAL_TAG = re.compile(r"^([\w.-]+==[\w.]+)\+[\w.]+", re.MULTILINE)


def lock(image: str, extras: tuple[str, ...]) -> None:
    """Write an image's file; a version's local build tag (as torch's +cpu) is left out."""
    target = HERE / "requirements" / f"{image}.txt"
    target.parent.mkdir(exist_ok=True)
    chosen = [f"--extra={extra}" for extra in extras]
    command = [sys.executable, "-m", "piptools", "compile", *_FLAGS, *_PLACES, *chosen, f"--output-file={target}"]
    subprocess.run([*command, "pyproject.toml"], check=True, cwd=HERE.parent)  # noqa: S603 - our own command
    text = _LOCAL_TAG.sub(r"\1", _OURS.sub("", _WARNING.sub("", target.read_text(encoding="utf-8"))))
    target.write_text(f"# {image}: made by `make lock`\n{text.lstrip()}", encoding="utf-8")


if __name__ == "__main__":
    for name, wanted in IMAGES.items():
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            lock(name, wanted)
