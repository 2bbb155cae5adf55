"""Benchmarks: `make bench`, or `python -m tests.bench NAME...` for some of them. Figures go to stdout."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench import inference, latency, throughput, upload_memory, video_speed, worker_memory

BENCHES: dict[str, Callable[[Path], None]] = {
    "inference": inference.run,
    "video_speed": video_speed.run,
    "throughput": throughput.run,
    "latency": latency.run,
    "upload_memory": upload_memory.run,
    "worker_memory": worker_memory.run,
}


def main(names: list[str]) -> None:
    for name in names or list(BENCHES):
        with tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
            print(f"\n== {name}: {(BENCHES[name].__doc__ or '').strip()}", flush=True)
            BENCHES[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
