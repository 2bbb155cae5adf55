"""A watcher of server-sent events, read as the HTML standard says (the fields that are used here)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2


@dataclass(frozen=True)
class Sent:
    id: str | None
    event: str
    data: Any


@contextmanager
def watching(http: httpx2.Client, job_id: str, last_id: str | None = None) -> Iterator[Iterator[Sent]]:
    """Open the events of an analysis; they end where the server ends them."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    with http.stream("GET", f"/analyses/{job_id}/events", headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _parsed(answer.iter_lines())


def all_events(http: httpx2.Client, job_id: str, last_id: str | None = None) -> list[Sent]:
    with watching(http, job_id, last_id) as events:
        return list(events)


def _parsed(lines: Iterator[str]) -> Iterator[Sent]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Sent(fields.get("id"), fields["event"], json.loads(fields["data"]))
            fields = {}
