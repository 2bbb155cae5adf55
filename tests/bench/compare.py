"""Compare the tables of two pages: `python -m tests.bench.compare OLD NEW`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.figures import compared

if __name__ == "__main__":
    for line in compared(*(Path(name).read_text(encoding="utf-8") for name in sys.argv[1:3])):
        print(line)
