"""Attack a service at random and take stock: `make chaos`, `make chaos SECONDS=3600`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.bundles import write_bundle
from tests.chaos.check import Stock, take_stock
from tests.chaos.clients import Clients, Seen
from tests.chaos.fleet import Fleet
from tests.videos import face_video


def attack(folder: Path, *, seconds: float, seed: int, every_s: float) -> tuple[Stock, Seen, Fleet]:
    """Run a service for a while, strike it every few seconds, and return how it stands afterwards."""
    fleet = Fleet(folder, gateways=2, workers=3, bundle=write_bundle(folder / "bundle"))
    try:
        clients = Clients(
            fleet.ports, seed=seed, most_waiting=12, videos=[face_video(folder / "face.mp4").read_bytes()]
        )
        clients.start()
        fleet.await_workers()
        random = Random(seed)
        for _ in range(round(seconds / every_s)):
            time.sleep(random.uniform(0.5, 1.5) * every_s)
            fleet.strike(random)
            fleet.keep()
        fleet.calm()
        fleet.keep()
        clients.stop()
        return take_stock(fleet, clients.seen.accepted), clients.seen, fleet
    finally:
        fleet.close()


def main() -> int:
    """Attack, print the table, and return 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=2, help="seconds between two strikes")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mien-chaos-") as folder:
        stock, seen, fleet = attack(Path(folder), seconds=asked.seconds, seed=asked.seed, every_s=asked.every)
    for kind, count in sorted(fleet.done.items()):
        print(f"{kind:28}{count:8}")
    rows = {
        "jobs accepted": stock.accepted,
        "done": stock.done,
        "failed": stock.failed,
        "lost": stock.lost,
        "double": stock.double,
        "extra attempts": f"{stock.extra_attempts} ({stock.extra_attempts / max(1, stock.accepted):.1%})",
        "blobs left": stock.blobs_left,
        "reservations left": stock.reservations_left,
        "answers 5xx but 503": seen.defects,
        "watchers that saw the end": seen.watched,
        "longest silence, s": f"{seen.silence_s:.1f}",
    }
    for name, value in rows.items():
        print(f"{name:28}{value:>8}")
    return 0 if stock.promise_kept and not seen.defects else 1


if __name__ == "__main__":
    sys.exit(main())
