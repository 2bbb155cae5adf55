from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.worker.cpus import available_cpus


@pytest.fixture(autouse=True)
def _eight_processors(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def _v2(cgroup: Path, text: str) -> Path:
    (cgroup / "cpu.max").write_text(text)
    return cgroup


def _v1(cgroup: Path, quota: str, period: str) -> Path:
    (cgroup / "cpu").mkdir()
    (cgroup / "cpu/cpu.cfs_quota_us").write_text(quota)
    (cgroup / "cpu/cpu.cfs_period_us").write_text(period)
    return cgroup


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),  # one and a half: two threads, throttled a little, are faster than one
        ("50000 100000\n", 1),
        ("1600000 100000\n", 8),
        ("max 100000\n", 8),
        ("nonsense\n", 8),
        ("", 8),
    ],
)
def test_the_quota_of_cgroup_v2_counts(tmp_path: Path, text: str, cpus: int):
    assert available_cpus(_v2(tmp_path, text)) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("300000\n", 3), ("250000\n", 3), ("-1\n", 8), ("x\n", 8)])
def test_the_quota_of_cgroup_v1_counts(tmp_path: Path, quota: str, cpus: int):
    assert available_cpus(_v1(tmp_path, quota, "100000\n")) == cpus


def test_without_a_cgroup_the_affinity_counts(tmp_path: Path):
    assert available_cpus(tmp_path) == 8


def test_on_this_machine_there_is_one_at_least():
    assert available_cpus() >= 1
