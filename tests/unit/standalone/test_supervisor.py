"""`mien serve` while its children start."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace

import pytest

from service.standalone import supervisor
from tests.processes import free_port


def test_children_that_live_are_waited_for_however_slow_the_machine_is(monkeypatch: pytest.MonkeyPatch):
    stopping, said = threading.Event(), []

    def warn(_: str, *, waiting_for: str) -> None:
        said.append(waiting_for)
        if len(said) == 3:
            stopping.set()

    hours = itertools.count(step=3600)
    monkeypatch.setattr(supervisor, "time", SimpleNamespace(monotonic=lambda: next(hours)))
    monkeypatch.setattr(supervisor, "log", SimpleNamespace(warning=warn))

    alive = SimpleNamespace(name="worker", exit_code=lambda: None)
    supervisor._await_ready([alive], f"http://127.0.0.1:{free_port()}", stopping)

    assert said == ["the worker and the gateway"] * 3
