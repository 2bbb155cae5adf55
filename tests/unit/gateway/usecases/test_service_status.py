from __future__ import annotations

import asyncio

from mien.contract.workers import Registration, ServedModel
from service.gateway.usecases.service_status import ServiceStatus


def _worker(name: str, **changes: object) -> Registration:
    about = {
        "name": "m",
        "version": "1",
        "sha256": "ab",
        "trained": True,
        "tasks": ["expression"],
        "labels": ["calm", "glad"],
        "dimensions": [],
        "traits": [],
        "window_s": 1,
        "hop_s": 1,
        "licence": "MIT",
        "intended_use": "tests",
    }
    return Registration(name=name, provider="cpu", models=[ServedModel.model_validate(about | changes)])


class _Queue:
    """What the use case asks of the queue."""

    async def workers(self) -> list[Registration]:
        return [
            _worker("ann", precision="int8"),
            _worker("bob"),
            _worker("cat", precision="int8"),
            _worker("dan", version="0", sha256="cd"),
        ]


def test_a_model_is_listed_once_for_each_precision_in_which_workers_run_it():
    found = asyncio.run(ServiceStatus(_Queue(), check=None, notifier=None).models())

    assert found.workers == 4
    assert [(model.version, model.precision) for model in found.models] == [
        ("0", "float32"),
        ("1", "float32"),
        ("1", "int8"),
    ]
