"""`GET /analyses/{id}/events`, with a worker played by the test."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import threading
from contextlib import closing

import httpx2
import pytest

from mien.contract.events import FaceWindow
from mien.contract.results import Expression, Findings, Progress, Video
from service.gateway.app import create_app
from service.gateway.settings import GatewaySettings
from service.gateway.usecases.job_notifier import JobNotifier
from service.gateway.usecases.watch import Watch
from service.queue import keys
from service.queue.connection import connect_async
from service.queue.jobs import Jobs
from tests.contract.helpers import BROKEN_VIDEO, Queue, fail, lapse, succeed, take
from tests.integration.gateway.raw_http import unreading
from tests.integration.gateway.watching import all_events, watching
from tests.processes import HANG_S, gateway, wait_for


def window(start_s: float = 0.0) -> FaceWindow:
    expression = Expression(label="happiness", scores={"happiness": 0.75, "neutral": 0.25})
    return FaceWindow(track=2, start_s=start_s, end_s=start_s + 1, expression=expression, valence=0.5)


def names(events) -> list[str]:
    return [event.event for event in events]


def test_a_watcher_sees_a_queued_analysis_begin_move_and_succeed(running, queue: Queue):
    ann = queue.worker()
    queue.submit("a")

    with watching(running.http, "a") as events:
        attempt = take(ann)
        ann.report(attempt, [window(0.5), Progress(done_s=1.5, total_s=4.0)], 1)
        assert [next(events), next(events), next(events)]
        ann.report(attempt, [window(1.5)], 3)
        assert next(events).id == "1-3"
        succeed(ann, attempt)
        [end] = events

    first = all_events(running.http, "a")
    assert [(event.id, event.event) for event in first] == [
        ("1-0", "began"), ("1-1", "window"), ("1-2", "progress"), ("1-3", "window"), ("2-0", "ended"),
    ]  # fmt: skip
    assert first[0].data == {"attempt": 1}
    assert first[1].data == {
        "track": 2, "start_s": 0.5, "end_s": 1.5, "valence": 0.5,
        "expression": {"label": "happiness", "scores": {"happiness": 0.75, "neutral": 0.25}},
    }  # fmt: skip
    assert first[2].data == {"done_s": 1.5, "total_s": 4.0}
    assert first[4] == end
    assert set(end.data) == {"state", "expires_at"}
    assert end.data["state"] == "succeeded"


def test_a_watcher_goes_on_after_the_event_it_names(running, queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    ann.report(attempt, [window(float(i)) for i in range(300)], 1)
    succeed(ann, attempt)

    assert len(all_events(running.http, "a")) == 302
    assert [event.id for event in all_events(running.http, "a", "1-298")] == ["1-299", "1-300", "2-0"]
    assert names(all_events(running.http, "a", "1-300")) == ["ended"]
    assert names(all_events(running.http, "a", "")) == names(all_events(running.http, "a"))


def test_after_the_end_there_is_nothing_more(running, queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    succeed(ann, take(ann))

    answer = running.http.get("/analyses/a/events", headers={"Last-Event-ID": "2-0"})

    assert (answer.status_code, answer.content) == (204, b"")


def test_a_failure_is_an_event_with_its_problem(running, queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    fail(ann, take(ann))

    end = all_events(running.http, "a")[-1]

    assert (end.event, end.data["state"], end.data["error"]) == ("ended", "failed", BROKEN_VIDEO.model_dump())


def test_deleting_an_analysis_ends_its_events_at_once(running, queue: Queue):
    queue.submit("a")
    with watching(running.http, "a") as events:
        take(queue.worker())
        assert next(events).event == "began"
        running.http.delete("/analyses/a")
        [end] = events

    assert (end.id, end.event, end.data) == (None, "ended", {"state": "cancelled"})
    assert running.http.get("/analyses/a/events").json()["code"] == "expired"


def test_a_second_attempt_is_another_began(running, queue: Queue):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    queue.submit("a")
    old = take(ann)
    ann.report(old, [window(0.0), window(0.5)], 1)
    with watching(running.http, "a") as events:
        assert [next(events).id for _ in range(3)] == ["1-0", "1-1", "1-2"]
        lapse(queue.redis)
        new = take(bob)
        ann.report(old, [window(1.0)], 3)
        bob.report(new, [window(0.0)], 1)
        succeed(bob, new)
        rest = list(events)

    assert [(event.id, event.event) for event in rest] == [("2-0", "began"), ("2-1", "window"), ("3-0", "ended")]
    assert rest[0].data == {"attempt": 2}
    assert all_events(running.http, "a", "1-1") == rest


def test_events_that_are_no_longer_kept_are_stood_in_for_by_a_snapshot(running, queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    ann.report(attempt, [*(window(float(i)) for i in range(9)), Progress(done_s=9.5, total_s=10.0)], 1)
    queue.redis.xtrim(keys.events("a"), maxlen=3, approximate=False)  # leaves 1-8, 1-9, 1-10
    succeed(ann, attempt)

    for seen in (None, "1-0", "1-5"):
        events = all_events(running.http, "a", seen)
        assert [event.id for event in events] == ["1-7", "1-8", "1-9", "1-10", "2-0"]
        assert names(events) == ["snapshot", "window", "window", "progress", "ended"]
        assert events[0].data["id"] == "a"
        assert events[0].data["progress"] == {"done_s": 9.5, "total_s": 10.0}
    assert names(all_events(running.http, "a", "1-7")) == ["window", "window", "progress", "ended"]


def test_long_after_the_end_a_watcher_gets_a_snapshot_and_the_end(running, queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    ann.report(attempt, [window(), window(1.0)], 1)
    succeed(ann, attempt)
    queue.redis.delete(keys.events("a"))  # as its time to live would

    for seen in (None, "1-1"):
        assert [(event.id, event.event) for event in all_events(running.http, "a", seen)] == [
            ("1-2", "snapshot"), ("2-0", "ended"),
        ]  # fmt: skip
    assert names(all_events(running.http, "a", "1-2")) == ["ended"]


@pytest.mark.parametrize("seen", ["x", "1", "1-", "9-9", "1-3", "2-0", "1-2-3", "-1-0", "1" * 40 + "-1", "²-1"])
def test_an_event_that_never_was_is_refused(running, queue: Queue, seen: str):
    ann = queue.worker()
    queue.submit("a")
    ann.report(take(ann), [window(), window(1.0)], 1)

    answer = running.http.get("/analyses/a/events", headers={"Last-Event-ID": seen.encode()})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_option")
    assert "Last-Event-ID" in answer.json()["detail"]


def test_an_event_of_an_analysis_that_has_not_begun_never_was(running, queue: Queue):
    queue.submit("a")

    assert running.http.get("/analyses/a/events", headers={"Last-Event-ID": "1-0"}).status_code == 400


def test_an_unknown_or_expired_analysis_is_an_error_before_any_event(running, queue: Queue):
    queue.submit("a")
    running.http.delete("/analyses/a")

    for job_id, status, code in (("never", 404, "not_found"), ("a", 410, "expired")):
        answer = running.http.get(f"/analyses/{job_id}/events")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"


def test_several_watch_one_analysis_and_each_sees_all(running, queue: Queue):
    queue.submit("a")
    seen: list[list[str]] = []

    def watch() -> None:
        with httpx2.Client(base_url=running.url, timeout=HANG_S) as http:
            seen.append([event.id for event in all_events(http, "a")])

    threads = [threading.Thread(target=watch) for _ in range(8)]
    for thread in threads:
        thread.start()
    ann = queue.worker()
    attempt = take(ann)
    for number in range(20):
        ann.report(attempt, [window(float(number))], 1 + number)
    succeed(ann, attempt)
    for thread in threads:
        thread.join()

    assert seen == [[f"1-{number}" for number in range(21)] + ["2-0"]] * 8


def test_a_gateway_that_is_stopped_ends_the_events_it_sends(redis_url, tmp_path, queue: Queue):
    queue.submit("a")
    with gateway(tmp_path, redis_url, drain_s=4 * HANG_S) as (process, url), httpx2.Client(base_url=url) as http:
        with watching(http, "a") as events:
            take(queue.worker())
            assert next(events).event == "began"
            process.send(signal.SIGTERM)
            assert list(events) == []
        assert process.popen.wait(HANG_S) == 0
        assert not process.said("Traceback")


def test_a_watcher_that_goes_away_leaves_nothing_behind(redis_url, tmp_path, queue: Queue):
    app = create_app(GatewaySettings(redis_url=redis_url, blobs_dir=tmp_path / "blobs", grpc_port=0))
    queue.submit("a")
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": "/analyses/a/events", "raw_path": b"/analyses/a/events", "query_string": b"",
        "root_path": "", "headers": [(b"host", b"localhost")], "client": None, "server": None,
    }  # fmt: skip

    async def watch_and_go_away() -> int:
        sent = []

        async def send(message) -> None:
            sent.append(message)

        async with app.router.lifespan_context(app):
            notifier = app.state.use_cases.notifier
            gone = asyncio.Event()

            async def receive():
                await gone.wait()
                return {"type": "http.disconnect"}

            await asyncio.sleep(0.5)  # until the commands of the start, each a task, have ended
            loop = asyncio.get_running_loop()
            before = len(asyncio.all_tasks())
            watcher = asyncio.create_task(app(dict(scope), receive, send))
            await asyncio.to_thread(wait_for, lambda: notifier._subscriptions)
            gone.set()
            async with asyncio.timeout(HANG_S):
                await watcher
                assert sent[0]["status"] == 200
                # A command that the watcher left may end.
                await asyncio.to_thread(wait_for, lambda: len(asyncio.all_tasks(loop)) <= before)
            return len(notifier._subscriptions)

    assert asyncio.run(watch_and_go_away()) == 0


def test_watchers_that_go_away_in_mid_command_go_at_once_and_never_leave_their_reply_to_another(
    redis_url, queue: Queue
):
    ann = queue.worker()
    for number in range(10):
        queue.submit(f"j{number}")
        ann.report(take(ann), [window(float(number)) for _ in range(30)], 1)
    luck = random.Random(7)

    async def read(watch: Watch, number: int) -> None:
        events = await watch.open(f"j{number}")
        seen = [await anext(events) for _ in range(31)]
        assert {event.what.start_s for event in seen[1:]} == {float(number)}

    async def come_and_go() -> None:
        redis = connect_async(redis_url)
        jobs = Jobs(redis)
        watch = Watch(jobs, JobNotifier(jobs), 10)
        for _ in range(200):
            events = await watch.open(f"j{luck.randrange(10)}")
            goes = asyncio.ensure_future(anext(events))
            await asyncio.sleep(luck.uniform(0, 0.002))
            told = goes.done()
            goes.cancel()
            await asyncio.wait([goes])
            assert told or goes.cancelled()
            await read(watch, luck.randrange(10))
        await asyncio.sleep(0.1)
        await redis.aclose()

    asyncio.run(come_and_go())


def test_without_redis_the_events_end_and_the_next_watcher_gets_an_error(tmp_path):
    from tests.integration.gateway.test_operate import stoppable_redis

    with (
        stoppable_redis() as server,
        gateway(tmp_path, server.url) as (process, url),
        httpx2.Client(base_url=url, timeout=HANG_S) as http,
    ):
        queue = Queue.at(server.url)
        queue.submit("a")
        take(queue.worker())
        with watching(http, "a") as events:
            assert next(events).id == "1-0"
            server.stop()
            assert list(events) == []
        assert http.get("/analyses/a/events").status_code == 503
        server.start()
        with watching(http, "a", "1-0") as events:
            httpx2.delete(f"{url}/analyses/a")
            assert [event.data for event in events] == [{"state": "cancelled"}]
        queue.close()
        wait_for(lambda: process.said('"event": "events end"'))
        assert not process.said("Traceback")


def test_watchers_are_bounded_in_number(redis_url, tmp_path, queue: Queue):
    queue.submit(job_id := "watched1")
    with gateway(tmp_path, redis_url, watchers_max=2) as (_, url), httpx2.Client(base_url=url) as http:
        with watching(http, job_id), watching(http, job_id):
            refused = http.get(f"/analyses/{job_id}/events")
            assert (refused.status_code, refused.json()["code"]) == (503, "too_many_watchers")
            assert refused.headers["retry-after"] == "5"
        assert wait_for(lambda: http.get(f"/analyses/{job_id}").status_code == 200)
        wait_for(lambda: _can_watch(http, job_id))


def _can_watch(http: httpx2.Client, job_id: str) -> bool:
    with http.stream("GET", f"/analyses/{job_id}/events") as answer:
        return answer.status_code == 200


def test_who_never_reads_an_answer_is_let_go(redis_url, tmp_path, queue: Queue):
    queue.submit("long1")
    ann = queue.worker()
    attempt = take(ann)
    assert succeed(ann, attempt)
    video = Video(duration_s=9, fps=None, width=640, height=480, frames=90)
    long = Findings(video=video, faces=[], models=[], warnings=["x" * 30_000_000])
    with gateway(tmp_path, redis_url, upload_idle_s=1) as (process, url):
        (tmp_path / "blobs/results").mkdir(parents=True)
        (tmp_path / f"blobs/results/long1.{attempt.fence}").write_text(long.model_dump_json())
        host, port = url.removeprefix("http://").split(":")
        with socket.socket() as client:
            client.connect((host, int(port)))
            client.sendall(f"GET /analyses/long1 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            wait_for(lambda: process.said("answer not read"))
        assert wait_for(lambda: _whole(f"{url}/analyses/long1")) > 30_000_000


def test_a_watcher_that_stops_reading_is_let_go_without_a_traceback(redis_url, tmp_path, queue: Queue):
    queue.submit("a")
    ann = queue.worker()
    ann.report(take(ann), [window(float(i)) for i in range(3000)], 1)
    with gateway(tmp_path, redis_url, upload_idle_s=1) as (process, url), closing(unreading(url)) as client:
        client.sendall(b"GET /analyses/a/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        wait_for(lambda: process.said("answer not read"))
        assert not process.said("Traceback")


def _whole(url: str) -> int | None:
    """Return how many bytes an answer has; None where this process was too slow to read it."""
    try:
        return len(httpx2.get(url).content)
    except httpx2.RemoteProtocolError:
        return None
