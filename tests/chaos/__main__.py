"""Inject faults and count the outcomes: `make chaos`, or `python -m tests.chaos --jobs 10000`."""

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
from tests.chaos.check import Outcomes, count_outcomes
from tests.chaos.clients import Clients, Load, Seen
from tests.chaos.fleet import Fault, Fleet
from tests.videos import face_video

_TICK_S = 0.1


def attack(
    folder: Path, faults: list[Fault], *, seconds: float = 0, jobs: int = 0, seed: int
) -> tuple[Outcomes, Seen, Fleet]:
    """Run a service for some seconds or accepted jobs, inject faults meanwhile, and return the outcomes."""
    fleet = Fleet(folder, gateways=2, workers=3, bundle=write_bundle(folder / "bundle"))
    try:
        videos = [face_video(folder / "face.mp4").read_bytes()]
        load = Load(40, 0.3, videos, share=0.01) if jobs else Load(12, 1.5, videos)
        clients = Clients([gateway.port for gateway in fleet.gateways], seed=seed, load=load)
        fleet.await_workers()
        clients.start()
        if jobs:
            _inject(fleet, faults, lambda: len(clients.seen.accepted) / jobs, Random(seed))
        else:
            began = time.monotonic()
            _inject(fleet, faults, lambda: (time.monotonic() - began) / seconds, Random(seed))
        fleet.calm()
        fleet.keep()
        clients.stop()
        return count_outcomes(fleet, clients.seen.accepted), clients.seen, fleet
    finally:
        fleet.close()


def _inject(fleet: Fleet, faults: list[Fault], progress: Callable[[], float], random: Random) -> None:
    """Inject the faults one after another, spread over the run, which ends when `progress` reaches 1."""
    made = 0
    while (now := progress()) < 1:
        if made < len(faults) and now * (len(faults) + 1) > made + 1:
            fleet.inject(faults[made], random)
            made += 1
        fleet.keep()
        time.sleep(_TICK_S)


def main() -> int:
    """Run, print the table, and return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=2, help="seconds between two faults")
    parser.add_argument("--jobs", type=int, default=0, help="attack until so many are accepted, and not for seconds")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    random = Random(asked.seed)
    faults = plan.for_jobs(random, asked.jobs) if asked.jobs else plan.mixed(random, int(asked.seconds / asked.every))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mien-chaos-") as folder:
        outcomes, seen, fleet = attack(Path(folder), faults, seconds=asked.seconds, jobs=asked.jobs, seed=asked.seed)
    for kind, count in sorted(fleet.done.items()):
        print(f"{kind:32}{count:8}")
    share = outcomes.extra_attempts / max(1, outcomes.accepted)
    rows = {
        "seconds": f"{time.monotonic() - began:.0f}",
        "jobs accepted": outcomes.accepted,
        "done": outcomes.done,
        "failed": outcomes.failed,
        "lost": outcomes.lost,
        "double": outcomes.double,
        "extra attempts": f"{outcomes.extra_attempts} ({share:.1%})",
        "of them unexplained": outcomes.unexplained,
        "blobs left": outcomes.blobs_left,
        "reservations left": outcomes.reservations_left,
        "unexcused answers": len(seen.defects),
        "watchers that saw the end": seen.watched,
        "watchers that did not": seen.unended,
        "longest silence, s": f"{seen.silence_s:.1f}",
    }
    for name, value in rows.items():
        print(f"{name:32}{value:>8}")
    print("\n".join(seen.defects[:10]))
    return 0 if outcomes.promise_kept and not seen.defects and not seen.unended else 1


if __name__ == "__main__":
    sys.exit(main())
