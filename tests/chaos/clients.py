"""Clients of a service that is under attack: they send videos until these are accepted, and watch some of them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from random import Random

import httpx2

from tests.chaos.stand_in import script

_PATIENCE_S = 20


@dataclass
class Seen:
    """What the clients saw: the ids of accepted jobs, 5xx answers but 503, and the longest silence of a watcher."""

    accepted: list[str] = field(default_factory=list)
    defects: int = 0
    silence_s: float = 0.0
    watched: int = 0


class Clients:
    """Send and watch, in threads, until `stop`."""

    def __init__(self, ports: list[int], *, seed: int, most_waiting: int, videos: list[bytes]) -> None:
        self.seen = Seen()
        self._ports = ports
        self._videos = videos
        self._stopping = threading.Event()
        self._slots = threading.Semaphore(most_waiting)
        self._threads = [
            threading.Thread(target=self._send, args=(Random(f"{seed}-{number}"),), daemon=True) for number in range(2)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send no more; return when every video is accepted, and every watcher has seen the end."""
        self._stopping.set()
        for thread in list(self._threads):
            thread.join()

    def _send(self, random: Random) -> None:
        while not self._stopping.is_set():
            if not self._slots.acquire(timeout=0.5):
                continue
            video = script(seconds=round(random.uniform(0.1, 1.5), 2))
            if random.random() < 0.1:
                video = random.choice(self._videos)
            job_id = self._accepted(video, f"key-{random.getrandbits(64):x}", random)
            self.seen.accepted.append(job_id)
            watcher = threading.Thread(target=self._watch, args=(job_id, Random(random.random())), daemon=True)
            self._threads.append(watcher)
            watcher.start()

    def _accepted(self, video: bytes, key: str, random: Random) -> str:
        while True:
            try:
                answer = httpx2.post(
                    f"http://127.0.0.1:{random.choice(self._ports)}/analyze",
                    content=video,
                    headers={"Prefer": "respond-async", "Idempotency-Key": key},
                    timeout=_PATIENCE_S,
                )
                if answer.is_success:
                    return answer.headers["location"].rpartition("/")[2]
                self.seen.defects += answer.status_code >= 500 and answer.status_code != 503
            except httpx2.HTTPError:
                pass
            time.sleep(random.uniform(0.1, 0.5))

    def _watch(self, job_id: str, random: Random) -> None:
        """Watch a job to its end, at another gateway whenever one goes; note the longest time without an event."""
        last_id, last_at, ended = "", None, False
        while not ended:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            url = f"http://127.0.0.1:{random.choice(self._ports)}/analyses/{job_id}/events"
            try:
                with httpx2.stream("GET", url, headers=headers, timeout=_PATIENCE_S) as answer:
                    ended = answer.status_code in (204, 404, 410)
                    for line in answer.iter_lines() if answer.status_code == 200 else ():
                        name, _, value = line.partition(": ")
                        if name == "id":
                            last_id, now = value, time.monotonic()
                            self.seen.silence_s = max(self.seen.silence_s, now - (last_at or now))
                            last_at = now
                        ended = ended or (name, value) == ("event", "ended")
            except httpx2.HTTPError:
                pass
            time.sleep(random.uniform(0.1, 0.5))
        self.seen.watched += 1
        self._slots.release()
