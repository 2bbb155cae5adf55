"""Fixtures that several levels of tests share."""

from __future__ import annotations

import inspect
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import hypothesis
import pytest

from service.queue.connection import connect
from tests.processes import HANG_S, Served, mien_serve, private_redis

# Tests run side by side, and small models gain nothing from more threads; whoever loads PyTorch from here on has one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes is no test: by itself Hypothesis gives it 200 ms.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

# Clients that tests open have patience: by themselves they give an answer five seconds.
_DEFAULT_TIMEOUT = inspect.signature(httpx2.Client).parameters["timeout"].default
_DEFAULT_TIMEOUT.connect = _DEFAULT_TIMEOUT.read = _DEFAULT_TIMEOUT.write = _DEFAULT_TIMEOUT.pool = HANG_S

# Nothing that a service waits for is given up because the machine is slow, but where a test says so.
for _limit in ("HEAD_S", "UPLOAD_IDLE_S", "DECODE_STALL_S"):
    os.environ.setdefault(f"MIEN_{_limit}", str(HANG_S))

# Run in a shell's background, this process ignores Ctrl-C, and all that tests start would.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """URL of a private Redis that lives as long as the session."""
    with private_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """URL of an empty Redis."""
    client = connect(redis_server)
    client.flushall()
    client.close()
    return redis_server


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running `mien serve` as it comes, at free ports and with patience, for tests that leave it as they find it."""
    folder: Path = tmp_path_factory.mktemp("served")
    with mien_serve(folder) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell at the end, where nobody overlooks it, what was skipped and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    terminalreporter.section(f"{len(skipped)} TESTS WERE SKIPPED, AND WHY", sep="!", yellow=True, bold=True)
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:5}  {reason}", yellow=True)
