"""The view of a result in a real browser: hundreds of appearances, and notes that two tabs take."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.end_to_end.test_page import CHROMIUM, browser, camera, crowd, visit
from tests.processes import wait_for

__all__ = ["browser", "camera", "visit"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

ID = "01M00000000000000000000000"


def queue(appearances: int) -> dict[str, object]:
    """An analysis of appearances one after another, each of two seconds."""
    analysis = crowd(appearances, seconds=2)
    for face in analysis["faces"]:
        face["start_s"] = 2 * face["track"]
        face["end_s"] = face["start_s"] + 2
        face["coverage"] = 1 / appearances
        face["path"] = [[face["start_s"], *face["path"][0][1:]]]
        for window in face["timeline"]:
            window["start_s"] += face["start_s"]
            window["end_s"] += face["start_s"]
    analysis["video"]["duration_s"] = 2 * appearances
    return analysis


def look_at(page: Page, analysis: dict[str, object]) -> None:
    page.route(f"**/analyses/{analysis['id']}", lambda route: route.fulfill(json=analysis))
    page.goto(f"{page.url.partition('#')[0]}#{analysis['id']}")
    expect(page.locator("#result")).to_be_visible()


def mark(page: Page, time: str, text: str) -> None:
    page.locator("#scrub").fill(time)
    before = page.locator("#markers input").count()
    page.locator("#mark").click()
    expect(page.locator("#markers input")).not_to_have_count(before)
    expect(page.locator("#markers input:focus")).to_have_value("")
    page.keyboard.type(text)
    page.keyboard.press("Tab")


def stored(page: Page) -> dict[str, object]:
    """The notes on the result, as the browser keeps them."""
    return page.evaluate(
        """(id) => new Promise((resolve) => {
            const open = indexedDB.open("mien", 1);
            open.onsuccess = () => {
                const all = open.result.transaction("videos").objectStore("videos").getAll();
                all.onsuccess = () => resolve(all.result.find((record) => record.id === id)?.notes);
            };
        })""",
        ID,
    )


def texts(page: Page) -> list[str]:
    """The notes in the list of markers."""
    return [field.input_value() for field in page.locator("#markers input").all()]


def test_three_hundred_appearances_are_named_and_joined_without_a_list_of_all_in_each_row(visit):
    page = visit()
    look_at(page, queue(300))
    expect(page.get_by_role("heading", name="300 appearances")).to_be_visible()
    options, selects = page.locator("#naming-rows option"), page.locator("#naming-rows select")
    expect(options).to_have_count(0)
    assert page.locator("#people-chips").bounding_box()["height"] < 400

    page.get_by_text("Name and join people").click()
    expect(selects).to_have_count(300)
    expect(options).to_have_count(300)  # that nobody is chosen
    selects.nth(4).focus()
    selects.nth(5).dispatch_event("pointerdown")
    expect(options).to_have_count(300 + 2 * 299)
    selects.nth(4).select_option("Person 1")

    expect(page.get_by_role("heading", name="299 people")).to_be_visible()
    assert options.count() <= 299 + 298
    page.get_by_text("Name and join people").click()
    expect(options).to_have_count(0)


def test_a_choice_of_a_person_stays_while_pictures_come(visit):
    page = visit()
    look_at(page, queue(3))
    chips = page.locator("#people-chips button")
    chips.nth(1).evaluate("(chip) => (chip.dataset.seen = 'yes')")

    page.set_input_files("#attach-file", "service/gateway/web/page/sample.mp4")

    expect(page.locator("#people-chips canvas").first).to_be_visible()
    expect(chips.nth(1)).to_have_attribute("data-seen", "yes")  # the same button: a click on it is not lost


def test_two_tabs_keep_each_others_markers_and_names(visit):
    one = visit()
    look_at(one, queue(2))
    other = one.context.new_page()
    other.goto(one.url.partition("#")[0])
    look_at(other, queue(2))

    mark(one, "0.5", "first")
    mark(one, "1", "second")
    one.get_by_text("Name and join people").click()
    one.get_by_label("Name of person 1").fill("Ada")
    one.keyboard.press("Tab")
    wait_for(lambda: stored(one)["names"] == {"0": "Ada"})
    mark(other, "1.5", "from the other tab")
    other.get_by_text("Name and join people").click()
    other.get_by_label("Name of person 2").fill("Bo")
    other.keyboard.press("Tab")

    wait_for(lambda: stored(one)["names"] == {"0": "Ada", "1": "Bo"})
    wait_for(lambda: texts(other) == ["first", "second", "from the other tab"])
    expect(other.locator("#people-chips button")).to_contain_text(["Ada", "Bo"])

    # A tab that does not know of the third marker removes the first and changes the second.
    one.get_by_label("Note at 0:01.0").fill("changed")
    one.get_by_label("Remove the marker at 0:00.5").click()
    wait_for(lambda: texts(one) == ["changed", "from the other tab"])
    assert [marker["text"] for marker in stored(one)["markers"]] == ["changed", "from the other tab"]


def test_a_result_that_another_tab_has_noted_is_opened_with_its_notes(visit):
    early = visit()
    late = early.context.new_page()
    late.goto(early.url)
    look_at(late, queue(2))
    mark(late, "0.5", "noted")
    wait_for(lambda: stored(late)["markers"][0]["text"] == "noted")

    look_at(early, queue(2))

    wait_for(lambda: texts(early) == ["noted"])


def test_of_two_markers_at_one_moment_the_new_one_is_written(visit):
    page = visit()
    look_at(page, queue(2))

    mark(page, "0.5", "first")
    mark(page, "0.5", "second")

    wait_for(lambda: [marker["text"] for marker in stored(page)["markers"]] == ["first", "second"])
    assert texts(page) == ["first", "second"]


def test_a_table_that_comes_late_is_of_the_result_that_it_was_asked_for(visit):
    page = visit()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"**/analyses/{ID}/timeline.csv", hold)
    look_at(page, queue(1))
    page.get_by_text("Name and join people").click()
    page.get_by_label("Name of person 1").fill("Ada")
    page.keyboard.press("Tab")
    expect(page.locator("#people-chips button")).to_contain_text(["Ada"])
    page.locator("#more summary").click()
    with page.expect_request("**/timeline.csv"):
        page.locator("#csv").click()

    look_at(page, queue(1) | {"id": ID.replace("M", "N")})
    expect(page.locator("#people-chips button")).not_to_contain_text(["Ada"])
    with page.expect_download() as download:
        held[0].fulfill(body="track,start_s\n0,0.0\n", content_type="text/csv")

    assert download.value.suggested_filename == f"{ID}.csv"
    assert "Ada" in download.value.path().read_text()


def test_the_time_of_a_video_that_plays_is_not_spoken(visit):
    page = visit()
    look_at(page, queue(1))

    expect(page.locator("#time")).to_contain_text("0:02")
    expect(page.locator(".player").get_by_role("status")).to_have_count(0)
    expect(page.locator(".player [aria-live]")).to_have_count(0)
