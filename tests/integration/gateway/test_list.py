"""`GET /analyses`: a list in pages, newest first."""

from __future__ import annotations

import pytest

from service.queue import keys
from tests.contract.helpers import BROKEN_VIDEO, Queue, fail, succeed, take


def pages(running, **params) -> list[list[str]]:
    found = []
    while True:
        answer = running.http.get("/analyses", params=params)
        assert answer.status_code == 200, answer.text
        found.append([one["id"] for one in answer.json()["analyses"]])
        if "next" not in answer.json():
            return found
        params["cursor"] = answer.json()["next"]


def test_no_analyses_are_an_empty_page(running):
    assert running.http.get("/analyses").json() == {"analyses": []}


def test_an_option_is_given_once(running):
    answer = running.http.get("/analyses?limit=1&limit=2")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_option")
    assert answer.json()["detail"] == "limit: this option is given more than once. Give it once."


def test_pages_give_every_analysis_once_newest_first(running, queue: Queue):
    names = [f"j{number:02d}" for number in range(25)]
    for name in names:
        queue.submit(name)
    newest_first = names[::-1]

    assert pages(running) == [newest_first[:20], newest_first[20:]]
    assert pages(running, limit=10) == [newest_first[:10], newest_first[10:20], newest_first[20:]]
    assert pages(running, limit=5) == [newest_first[i : i + 5] for i in range(0, 25, 5)]
    assert pages(running, limit=100) == [newest_first]


def test_an_entry_says_where_the_analysis_stands_and_nothing_of_what_was_found(running, queue: Queue):
    ann = queue.worker()
    for name in "abcd":  # in one millisecond, the names decide
        queue.submit(name)
    succeed(ann, take(ann))
    fail(ann, take(ann))
    take(ann)

    queued, under_way, bad, good = running.http.get("/analyses").json()["analyses"]

    assert [one["state"] for one in (queued, under_way, bad, good)] == ["queued", "running", "failed", "succeeded"]
    assert set(queued) == {"id", "state", "created_at", "progress"}
    assert set(good) == {"id", "state", "created_at", "progress", "expires_at"}
    assert bad["error"] == BROKEN_VIDEO.model_dump()


def test_a_page_is_filtered_by_state(running, queue: Queue):
    ann = queue.worker()
    for number in range(30):
        queue.submit(f"j{number:02d}")
        (fail if number % 3 == 0 else succeed)(ann, take(ann))
    failed = [f"j{number:02d}" for number in range(27, -1, -3)]

    assert pages(running, state="failed") == [failed]
    assert pages(running, state="failed", limit=4) == [failed[:4], failed[4:8], failed[8:]]
    assert pages(running, state="running") == [[]]


def test_pages_neither_repeat_nor_miss_what_stays_while_others_come_and_go(running, queue: Queue):
    names = [f"j{number:02d}" for number in range(12)]
    for name in names:
        queue.submit(name)
    first = running.http.get("/analyses", params={"limit": 4}).json()
    queue.submit("new")
    running.http.delete("/analyses/j08")  # the last of the first page: the place that the cursor names
    running.http.delete("/analyses/j07")

    rest = pages(running, limit=4, cursor=first["next"])

    assert [one["id"] for one in first["analyses"]] == names[:7:-1]
    assert rest == [["j06", "j05", "j04", "j03"], ["j02", "j01", "j00"]]
    assert pages(running)[0][0] == "new"


def test_jobs_of_the_same_millisecond_are_all_listed(running, queue: Queue):
    for number in range(9):
        queue.submit(f"j{number}")
    places = queue.redis.zrange(keys.jobs(""), 0, -1)
    queue.redis.delete(keys.jobs(""))
    queue.redis.zadd(keys.jobs(""), {"1700000000000:" + place.partition(":")[2]: 0 for place in places})

    assert [name for page in pages(running, limit=2) for name in page] == [f"j{number}" for number in range(8, -1, -1)]


def test_an_expired_analysis_is_not_listed_and_swept_from_the_list(running, queue: Queue):
    for name in "abc":
        queue.submit(name)
    queue.redis.delete(keys.job("b"))  # as its time to live would

    assert pages(running, limit=1) == [["c"], ["a"]]
    queue.run(queue.repair.forget_expired())
    assert [place.partition(":")[2] for place in queue.redis.zrange(keys.jobs(""), 0, -1)] == ["a", "c"]


def test_a_rare_state_among_very_many_gives_short_pages_that_go_on(running, queue: Queue):
    queue.submit("rare")
    created = queue.find("rare").created_ms
    with queue.redis.pipeline() as pipe:
        for number in range(4500):
            pipe.hset(keys.job(f"x{number}"), mapping={"state": "queued", "created_ms": 1, "upload": "u", "fence": 0})
            pipe.zadd(keys.jobs(""), {f"{created + 1 + number}:x{number}": 0})
        pipe.execute()
    ann = queue.worker()
    fail(ann, take(ann))

    found = pages(running, state="failed", limit=5)

    assert found == [[], [], ["rare"]]


@pytest.mark.parametrize(
    ("params", "code", "names"),
    [
        ({"limit": 0}, "invalid_option", "limit"),
        ({"limit": 101}, "invalid_option", "limit"),
        ({"limit": "x"}, "invalid_option", "limit"),
        ({"state": "lost"}, "invalid_option", "state"),
        ({"cursor": ""}, "invalid_option", "cursor"),
        ({"cursor": "x"}, "invalid_option", "cursor"),
        ({"cursor": "é€"}, "invalid_option", "cursor"),
        ({"cursor": "KwAB"}, "invalid_option", "cursor"),
        ({"cursor": "A" * 5000}, "invalid_option", "cursor"),
        ({"faces": 2}, "unknown_option", "state, limit, cursor"),
    ],
)
def test_an_invalid_option_is_an_error(running, params, code: str, names: str):
    answer = running.http.get("/analyses", params=params)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert names in answer.json()["detail"]
