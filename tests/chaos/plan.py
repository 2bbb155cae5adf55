"""What is done to a service in a run: so much of each kind, in an order drawn by lot."""

from __future__ import annotations

from itertools import cycle, islice
from random import Random

from tests.chaos.fleet import Strike
from tests.chaos.orders import GATEWAY_STEPS, WORKER_STEPS

_ANY_TIME = {
    Strike("kill", "worker"): 4,
    Strike("stop", "worker"): 2,
    Strike("kill", "child"): 3,
    Strike("kill", "gateway"): 2,
    Strike("stop", "gateway"): 1,
    Strike("kill", "redis"): 1,
    Strike("stop", "redis"): 1,
}


def mixed(random: Random, count: int) -> list[Strike]:
    """Return `count` strikes of all kinds: two of three at any moment, the third at a step."""
    at_steps = [Strike(what, "", step) for step in (*WORKER_STEPS, *GATEWAY_STEPS) for what in ("kill", "stop")]
    strikes = random.choices(list(_ANY_TIME), list(_ANY_TIME.values()), k=count - count // 3)
    strikes += islice(cycle(random.sample(at_steps, len(at_steps))), count // 3)
    random.shuffle(strikes)
    return strikes


def for_jobs(random: Random, jobs: int) -> list[Strike]:
    """Return, for 10,000 jobs: 50 worker kills, 25 worker stops, 3 Redis kills, 10 gateway kills.

    One half at any moment, the other at each step in turn.
    """
    strikes = [Strike("kill", "redis")] * max(1, round(jobs * 3 / 10_000))
    for what, whom, steps, share in (
        ("kill", "worker", WORKER_STEPS, 50),
        ("stop", "worker", WORKER_STEPS, 25),
        ("kill", "gateway", GATEWAY_STEPS, 10),
    ):
        count = max(1, round(jobs * share / 10_000))
        strikes += [Strike(what, whom)] * (count - count // 2)
        strikes += [Strike(what, whom, step) for step in islice(cycle(steps), count // 2)]
    random.shuffle(strikes)
    return strikes
