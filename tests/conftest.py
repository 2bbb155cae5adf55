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

# Tests run in parallel, and small models and pictures gain nothing from more threads: PyTorch and OpenCV get one.
for _threads in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(_threads, "1")

# The duration of an example is not tested; Hypothesis' default limit is 200 ms.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

# Clients in tests wait longer than their default of five seconds.
_DEFAULT_TIMEOUT = inspect.signature(httpx2.Client).parameters["timeout"].default
_DEFAULT_TIMEOUT.connect = _DEFAULT_TIMEOUT.read = _DEFAULT_TIMEOUT.write = _DEFAULT_TIMEOUT.pool = HANG_S

# Services in tests do not give up waiting because the machine is slow, unless a test sets a limit.
for _limit in ("HEAD_S", "UPLOAD_IDLE_S", "DECODE_STALL_S"):
    os.environ.setdefault(f"MIEN_{_limit}", str(HANG_S))

# In a shell's background this process ignores Ctrl-C, which all processes that tests start would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """Yield the URL of a private Redis that runs for the whole session."""
    with private_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Return the URL of an empty Redis."""
    client = connect(redis_server)
    client.flushall()
    client.close()
    return redis_server


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield a running `mien serve` with default settings, free ports and long limits, for tests that do not change
    it."""
    folder: Path = tmp_path_factory.mktemp("served")
    with mien_serve(folder) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print at the end, prominently, what was skipped and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    terminalreporter.section(f"{len(skipped)} TESTS WERE SKIPPED, AND WHY", sep="!", yellow=True, bold=True)
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:5}  {reason}", yellow=True)
