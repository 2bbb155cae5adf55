"""The faults that are injected in a run: a number of each kind, in random order."""

from __future__ import annotations

from itertools import cycle, islice
from random import Random

from tests.chaos.fleet import Fault
from tests.chaos.orders import GATEWAY_STEPS, WORKER_STEPS

_ANY_TIME = {
    Fault("kill", "worker"): 4,
    Fault("stop", "worker"): 2,
    Fault("kill", "child"): 3,
    Fault("kill", "gateway"): 2,
    Fault("stop", "gateway"): 1,
    Fault("kill", "redis"): 1,
    Fault("stop", "redis"): 1,
}


def mixed(random: Random, count: int) -> list[Fault]:
    """Return `count` faults of all kinds: two of three at any moment, the third at a step."""
    at_steps = [Fault(what, "", step) for step in (*WORKER_STEPS, *GATEWAY_STEPS) for what in ("kill", "stop")]
    faults = random.choices(list(_ANY_TIME), list(_ANY_TIME.values()), k=count - count // 3)
    faults += islice(cycle(random.sample(at_steps, len(at_steps))), count // 3)
    random.shuffle(faults)
    return faults


def for_jobs(random: Random, jobs: int) -> list[Fault]:
    """Return, for 10,000 jobs: 50 worker kills, 25 worker stops, 3 Redis kills, 10 gateway kills.

    One half at any moment, the other at each step in turn.
    """
    faults = [Fault("kill", "redis")] * max(1, round(jobs * 3 / 10_000))
    for what, whom, steps, share in (
        ("kill", "worker", WORKER_STEPS, 50),
        ("stop", "worker", WORKER_STEPS, 25),
        ("kill", "gateway", GATEWAY_STEPS, 10),
    ):
        count = max(1, round(jobs * share / 10_000))
        faults += [Fault(what, whom)] * (count - count // 2)
        faults += [Fault(what, whom, step) for step in islice(cycle(steps), count // 2)]
    random.shuffle(faults)
    return faults
