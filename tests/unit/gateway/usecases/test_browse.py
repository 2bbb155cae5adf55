from __future__ import annotations

import pytest

from mien.contract.errors import InvalidOption
from mien.contract.jobs import State
from mien.contract.results import Page
from service.gateway.usecases.authenticate import NO_OWNER, Owner
from service.gateway.usecases.browse import MOST_LIMIT, Browse
from tests.contract.helpers import Queue, succeed, take


@pytest.fixture
def browse(queue: Queue) -> Browse:
    return Browse(queue.jobs)


def ids(page: Page) -> list[str]:
    return [analysis.id for analysis in page.analyses]


def test_pages_go_from_the_newest_to_the_oldest(queue, browse):
    for job_id in "abcde":
        queue.submit(job_id)

    pages = [queue.run(browse(NO_OWNER, 2))]
    while (cursor := pages[-1].next) is not None:
        pages.append(queue.run(browse(NO_OWNER, 2, cursor=cursor)))

    assert [ids(page) for page in pages] == [["e", "d"], ["c", "b"], ["a"]]


def test_what_comes_and_goes_shifts_no_page(queue, browse):
    for job_id in "abcd":
        queue.submit(job_id)
    first = queue.run(browse(NO_OWNER, 2))
    queue.run(queue.jobs.cancel("c"))
    queue.submit("e")

    assert ids(first) == ["d", "c"]
    assert ids(queue.run(browse(NO_OWNER, 2, cursor=first.next))) == ["b", "a"]


def test_only_those_in_a_state_are_listed(queue, browse):
    queue.submit("a")
    worker = queue.worker()
    assert succeed(worker, take(worker))
    queue.submit("b")

    assert ids(queue.run(browse(NO_OWNER, 5, state=State.SUCCEEDED))) == ["a"]


def test_an_owner_sees_its_own(queue, browse):
    for job_id in ("ann-a", "bob-b", "c"):
        queue.submit(job_id)

    assert [ids(queue.run(browse(owner, 5))) for owner in (Owner("ann"), NO_OWNER)] == [["a"], ["c"]]


@pytest.mark.parametrize("limit", [0, MOST_LIMIT + 1])
def test_a_page_of_another_size_is_refused(queue, browse, limit):
    with pytest.raises(InvalidOption, match=str(MOST_LIMIT)):
        queue.run(browse(NO_OWNER, limit))


@pytest.mark.parametrize("cursor", ["", "x", "ü", "Og", "MTo"])
def test_a_cursor_that_no_page_gave_is_refused(queue, browse, cursor):
    with pytest.raises(InvalidOption, match="cursor"):
        queue.run(browse(NO_OWNER, 1, cursor=cursor))
