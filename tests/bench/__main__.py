"""Benchmarks: `make bench` runs all and writes docs/benchmarks.md; `python -m tests.bench NAME...` prints some."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import (
    base_size,
    clients,
    face_limits,
    gateway_overhead,
    inference,
    latency,
    long_beside_short,
    queue_depth,
    startup,
    throughput,
    upload_memory,
    video_length,
    video_speed,
    worker_memory,
)
from tests.bench.figures import HEAD, PAGE, Figure, replaced, row

BENCHES: dict[str, Callable[[Path], Iterator[Figure]]] = {
    "inference": inference.run,
    "base_size": base_size.run,
    "video_speed": video_speed.run,
    "video_length": video_length.run,
    "throughput": throughput.run,
    "latency": latency.run,
    "gateway_overhead": gateway_overhead.run,
    "clients": clients.run,
    "long_beside_short": long_beside_short.run,
    "queue_depth": queue_depth.run,
    "startup": startup.run,
    "upload_memory": upload_memory.run,
    "worker_memory": worker_memory.run,
    "face_limits": face_limits.run,
}


def main(names: list[str]) -> None:
    lines = []
    print(HEAD, flush=True)
    for name in names or list(BENCHES):
        with tempfile.TemporaryDirectory(prefix="mien-bench-") as folder:
            for figure in BENCHES[name](Path(folder)):
                lines.append(row(name, figure))
                print(lines[-1], flush=True)
    if not names:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), lines), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
