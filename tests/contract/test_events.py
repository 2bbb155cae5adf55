"""The events of an attempt: numbered, fenced, bounded, and deleted with the job."""

from __future__ import annotations

from mien.contract.events import Began, FaceWindow
from mien.contract.results import Expression, Progress
from service.queue import keys
from service.queue.events import EventId
from tests.contract.helpers import Queue, lapse, report, succeed, take


def window(start_s: float = 0.0, track: int = 0) -> FaceWindow:
    expression = Expression(label="happiness", scores={"happiness": 0.75, "neutral": 0.25})
    return FaceWindow(track=track, start_s=start_s, end_s=start_s + 1, expression=expression, valence=0.5)


def events(queue: Queue, after: EventId | None = None) -> list:
    return [(str(event.id), event.what) for event in queue.run(queue.jobs.events("a", after))]


def test_an_attempts_events_are_numbered_and_read_back_as_reported(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    told = [window(0.0), window(0.5, track=3), Progress(done_s=1.5, total_s=None)]

    assert ann.report(attempt, told, 1)
    assert ann.report(attempt, [window(1.0)], 4)

    found = events(queue)
    assert found == [
        ("1-0", Began(attempt=1)), ("1-1", told[0]), ("1-2", told[1]), ("1-3", told[2]), ("1-4", window(1.0)),
    ]  # fmt: skip
    assert found[1][1].model_fields_set == told[0].model_fields_set
    assert str(queue.find("a").event) == "1-4"
    assert (queue.find("a").done_s, queue.find("a").total_s) == (1.5, None)


def test_events_are_read_on_from_any_of_them(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    ann.report(take(ann), [window(float(i)) for i in range(250)], 1)

    assert [name for name, _ in events(queue, EventId(1, 3))][:2] == ["1-4", "1-5"]
    assert events(queue, EventId(1, 250)) == []
    seen, names = None, []
    while page := queue.run(queue.jobs.events("a", seen)):
        seen = page[-1].id
        names += [str(event.id) for event in page]
    assert names == [f"1-{i}" for i in range(251)]


def test_a_report_that_is_repeated_is_stored_once(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    ann.report(attempt, [window(0.0), window(0.5)], 1)

    assert ann.report(attempt, [window(0.0), window(0.5)], 1)

    assert [name for name, _ in events(queue)] == ["1-0", "1-1", "1-2"]


def test_windows_alone_leave_the_progress_as_it_was(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    report(ann, attempt, 2.0, 9.0)

    ann.report(attempt, [window()], 2)

    assert (queue.find("a").done_s, queue.find("a").total_s) == (2.0, 9.0)


def test_an_attempt_that_was_taken_over_tells_nothing_and_the_next_begins_anew(queue: Queue):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    queue.submit("a")
    old = take(ann)
    ann.report(old, [window(0.0)], 1)
    lapse(queue.redis)
    new = take(bob)

    assert not ann.report(old, [window(7.0)], 2)

    assert events(queue) == [("2-0", Began(attempt=2))]
    assert bob.report(new, [window(0.0)], 1)
    assert [name for name, _ in events(queue, EventId(1, 1))] == ["2-0", "2-1"]


def test_a_job_that_was_handed_back_tells_nothing_more_of_the_old_attempt(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    ann.release(attempt, counts=False)

    assert not ann.report(attempt, [window()], 1)
    assert take(ann).number == 1
    assert events(queue) == [("3-0", Began(attempt=1))]


def test_an_ended_job_takes_no_more_events_and_its_events_expire_with_it_at_most(queue: Queue):
    ann = queue.worker(ttl_s=keys.EVENTS_TTL_S - 1)
    queue.submit("a")
    attempt = take(ann)
    ann.report(attempt, [window()], 1)
    succeed(ann, attempt)

    assert not ann.report(attempt, [window()], 2)

    assert [name for name, _ in events(queue)] == ["1-0", "1-1"]
    assert 0 < queue.redis.ttl(keys.events("a")) < keys.EVENTS_TTL_S


def test_a_cancelled_jobs_events_are_erased_at_once_and_none_come_after(queue: Queue):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    ann.report(attempt, [window()], 1)

    queue.run(queue.jobs.cancel("a"))

    assert not ann.report(attempt, [window()], 2)
    assert not queue.redis.exists(keys.events("a"))


def test_the_oldest_events_of_a_long_video_are_dropped(queue: Queue, monkeypatch):
    monkeypatch.setattr(keys, "MOST_EVENTS", 200)
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)

    for batch in range(20):
        ann.report(attempt, [window(float(i)) for i in range(100)], 1 + 100 * batch)

    assert 200 <= queue.redis.xlen(keys.events("a")) < 400
    assert events(queue)[0][0] != "1-0"
    assert str(queue.find("a").event) == "1-2000"
