"""Clients during the injection of faults: they send videos until these are accepted, and watch each to its end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from random import Random

import httpx2

from tests.chaos.stand_in import script
from tests.processes import HANG_S

_PATIENCE_S = 10


@dataclass
class Load:
    """What is sent: so many scripts at a time, which take so long, and a share of real videos among them."""

    most_waiting: int
    longest_s: float
    videos: list[bytes]
    share: float = 0.1


@dataclass
class Seen:
    """What the clients saw.

    Attributes:
        accepted: ids of accepted jobs.
        defects: answers that no fault excuses: 5xx other than 503, and refusals of valid requests.
        silence_s: the longest time between two events of one watcher.
        watched: watchers that saw the end of their analysis; `unended`: those that did not.
    """

    accepted: list[str] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    silence_s: float = 0.0
    watched: int = 0
    unended: int = 0


class Clients:
    """Send and watch, in threads, until `stop`."""

    def __init__(self, ports: list[int], *, seed: int, load: Load) -> None:
        self.seen = Seen()
        self._ports = ports
        self._load = load
        # One for all: that each made its own would cost more than the requests.
        self._http = httpx2.Client(timeout=_PATIENCE_S, limits=httpx2.Limits(max_connections=None))
        self._stopping = threading.Event()
        self._slots = threading.Semaphore(load.most_waiting)
        self._watchers: list[threading.Thread] = []
        self._senders = [
            threading.Thread(target=self._send, args=(Random(f"{seed}-{number}"),), daemon=True) for number in range(2)
        ]

    def start(self) -> None:
        for thread in self._senders:
            thread.start()

    def stop(self) -> None:
        """Send no more; return when every video is accepted, and every watcher has seen the end or was abandoned."""
        self._stopping.set()
        for thread in self._senders:
            thread.join()
        give_up_at = time.monotonic() + HANG_S
        for thread in self._watchers:
            thread.join(max(0.0, give_up_at - time.monotonic()))
        self.seen.unended = sum(thread.is_alive() for thread in self._watchers)
        self._http.close()

    def accept(self, video: bytes, key: str, random: Random) -> str:
        """Send a video repeatedly, to any gateway, until it is accepted; return its id."""
        while True:
            try:
                answer = self._http.post(
                    f"http://127.0.0.1:{random.choice(self._ports)}/analyze",
                    content=video,
                    headers={"Prefer": "respond-async", "Idempotency-Key": key},
                )
                if answer.is_success:
                    return str(answer.json()["id"])  # 202, or 200 where a repeat finds the analysis ended
                if answer.status_code not in {409, 429, 503}:
                    self.seen.defects.append(f"POST /analyze: {answer.status_code} {answer.text}")
            except httpx2.HTTPError:
                pass
            time.sleep(random.uniform(0.1, 0.5))

    def _send(self, random: Random) -> None:
        while not self._stopping.is_set():
            if not self._slots.acquire(timeout=0.5):
                continue
            video = script(seconds=round(random.uniform(0.02, self._load.longest_s), 2))
            if random.random() < self._load.share:
                video = random.choice(self._load.videos)
            job_id = self.accept(video, f"key-{random.getrandbits(64):x}", random)
            self.seen.accepted.append(job_id)
            watcher = threading.Thread(target=self._watch, args=(job_id, Random(random.random())), daemon=True)
            self._watchers.append(watcher)
            watcher.start()

    def _watch(self, job_id: str, random: Random) -> None:
        """Watch a job to its end, at another gateway whenever one goes; note the longest time without an event."""
        last_id, last_at, ended = "", time.monotonic(), False
        while not ended:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            url = f"http://127.0.0.1:{random.choice(self._ports)}/analyses/{job_id}/events"
            try:
                with self._http.stream("GET", url, headers=headers) as answer:
                    ended = answer.status_code == 204
                    if answer.status_code not in {200, 204, 429, 503}:
                        self.seen.defects.append(f"GET /events: {answer.status_code} {answer.read().decode()}")
                    for line in answer.iter_lines() if answer.status_code == 200 else ():
                        name, _, value = line.partition(": ")
                        if name == "id":
                            last_id, now = value, time.monotonic()
                            self.seen.silence_s = max(self.seen.silence_s, now - last_at)
                            last_at = now
                        ended = ended or (name, value) == ("event", "ended")
            except httpx2.HTTPError:
                pass
            if not ended:
                time.sleep(random.uniform(0.1, 0.5))
        self.seen.watched += 1
        self._slots.release()
