from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.figures import Figure, percentile
from tests.chaos.stand_in import script
from tests.processes import gateway, private_redis, wait_for, worker

_PER_S = 100
_SECONDS = 10
_CONNECTIONS = 32


def run(folder: Path) -> Iterator[Figure]:
    """Measure the gateway and the queue at 100 uploads a second, whose analyses take no time."""
    with (
        private_redis() as redis_url,
        gateway(folder, redis_url) as (_, url),
        worker(folder, redis_url, module="tests.chaos.stand_in", slots=16),
    ):
        mine = threading.local()

        def ask(method: str, path: str, body: bytes | None = None) -> tuple[int, dict]:
            if not hasattr(mine, "connection"):
                mine.connection = http.client.HTTPConnection(urlsplit(url).netloc)
            mine.connection.request(method, path, body=body, headers={"Prefer": "respond-async"})
            answer = mine.connection.getresponse()
            return answer.status, json.loads(answer.read())

        def upload(at: float) -> tuple[str, float]:
            time.sleep(max(0.0, at - time.perf_counter()))
            status, accepted = ask("POST", "/analyze", script(seconds=0))
            taken = time.perf_counter() - at
            assert status in (200, 202), accepted  # 200 where the analysis has ended by then
            return accepted["id"], taken

        def ended(analysis: str) -> dict | None:
            _, answer = ask("GET", f"/analyses/{analysis}")
            return answer if answer["state"] in ("succeeded", "failed") else None

        with ThreadPoolExecutor(_CONNECTIONS) as clients:
            list(clients.map(upload, [time.perf_counter()] * _CONNECTIONS))  # connections and code are warm
            began = time.perf_counter() + 0.5
            sent = list(clients.map(upload, [began + number / _PER_S for number in range(_PER_S * _SECONDS)]))
            answers = [wait_for(lambda one=one: ended(one)) for one, _ in sent]
    assert all(answer["state"] == "succeeded" for answer in answers), answers[0]
    for share in (0.5, 0.99):
        taken = percentile((seconds for _, seconds in sent), share)
        yield Figure(
            f"from a request to its answer, {share:.0%} within", 1000 * taken, "ms", "≤ 10" if share == 0.99 else ""
        )
    queued = [answer["timings_ms"]["queued"] for answer in answers]
    yield Figure("from accepted to claimed, 50% within", percentile(queued, 0.5), "ms", "≤ 3")
    yield Figure("from accepted to claimed, 99% within", percentile(queued, 0.99), "ms")
