from __future__ import annotations

import pytest

from service.worker import settings
from service.worker.settings import WorkerSettings


@pytest.mark.parametrize(("processors", "slots"), [(1, 2), (2, 2), (3, 3), (16, 16), (96, 64)])
def test_a_worker_has_a_slot_for_each_processor(monkeypatch, processors: int, slots: int):
    monkeypatch.delenv("MIEN_SLOTS", raising=False)
    monkeypatch.setattr(settings, "available_cpus", lambda: processors)

    assert WorkerSettings().slots == slots


def test_the_number_of_slots_can_be_set(monkeypatch):
    monkeypatch.setenv("MIEN_SLOTS", "5")

    assert WorkerSettings().slots == 5
