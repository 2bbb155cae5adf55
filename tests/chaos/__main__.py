"""Attack a service and take stock: `make chaos`, `make chaos SECONDS=3600`, or `python -m tests.chaos --jobs 10000`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.bundles import write_bundle
from tests.chaos import plan
from tests.chaos.check import Stock, take_stock
from tests.chaos.clients import Clients, Load, Seen
from tests.chaos.fleet import Fleet, Strike
from tests.videos import face_video

_TICK_S = 0.1


def attack(
    folder: Path, strikes: list[Strike], *, seconds: float = 0, jobs: int = 0, seed: int
) -> tuple[Stock, Seen, Fleet]:
    """Run a service for so many seconds or accepted jobs, strike it all along, and return how it stands afterwards."""
    fleet = Fleet(folder, gateways=2, workers=3, bundle=write_bundle(folder / "bundle"))
    try:
        videos = [face_video(folder / "face.mp4").read_bytes()]
        load = Load(40, 0.3, videos, share=0.01) if jobs else Load(12, 1.5, videos)
        clients = Clients([gateway.port for gateway in fleet.gateways], seed=seed, load=load)
        fleet.await_workers()
        clients.start()
        if jobs:
            _strike(fleet, strikes, lambda: len(clients.seen.accepted) / jobs, Random(seed))
        else:
            began = time.monotonic()
            _strike(fleet, strikes, lambda: (time.monotonic() - began) / seconds, Random(seed))
        fleet.calm()
        fleet.keep()
        clients.stop()
        return take_stock(fleet, clients.seen.accepted), clients.seen, fleet
    finally:
        fleet.close()


def _strike(fleet: Fleet, strikes: list[Strike], progress: Callable[[], float], random: Random) -> None:
    """Make the strikes one after another, spread over the run, which ends when `progress` comes to 1."""
    made = 0
    while (now := progress()) < 1:
        if made < len(strikes) and now * (len(strikes) + 1) > made + 1:
            fleet.strike(strikes[made], random)
            made += 1
        fleet.keep()
        time.sleep(_TICK_S)


def main() -> int:
    """Attack, print the table, and return 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=2, help="seconds between two strikes")
    parser.add_argument("--jobs", type=int, default=0, help="attack until so many are accepted, and not for seconds")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    random = Random(asked.seed)
    strikes = plan.for_jobs(random, asked.jobs) if asked.jobs else plan.mixed(random, int(asked.seconds / asked.every))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mien-chaos-") as folder:
        stock, seen, fleet = attack(Path(folder), strikes, seconds=asked.seconds, jobs=asked.jobs, seed=asked.seed)
    for kind, count in sorted(fleet.done.items()):
        print(f"{kind:32}{count:8}")
    share = stock.extra_attempts / max(1, stock.accepted)
    rows = {
        "seconds": f"{time.monotonic() - began:.0f}",
        "jobs accepted": stock.accepted,
        "done": stock.done,
        "failed": stock.failed,
        "lost": stock.lost,
        "double": stock.double,
        "extra attempts": f"{stock.extra_attempts} ({share:.1%})",
        "of them unexplained": stock.unprovoked,
        "blobs left": stock.blobs_left,
        "reservations left": stock.reservations_left,
        "unexcused answers": len(seen.defects),
        "watchers that saw the end": seen.watched,
        "watchers that did not": seen.unended,
        "longest silence, s": f"{seen.silence_s:.1f}",
    }
    for name, value in rows.items():
        print(f"{name:32}{value:>8}")
    print("\n".join(seen.defects[:10]))
    return 0 if stock.promise_kept and not seen.defects and not seen.unended else 1


if __name__ == "__main__":
    sys.exit(main())
