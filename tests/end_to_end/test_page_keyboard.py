"""The page worked by keyboard alone: everything is reached, what has the focus is seen, and the focus is never lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.end_to_end.test_page import CHROMIUM, analyse, browser, camera, of, visit
from tests.processes import wait_for
from tests.videos import Actor, scene, write_video

__all__ = ["browser", "camera", "visit"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

# What has the focus: its place among all that can have it, and whether an outline shows it (a hidden input's is its
# label's).
FOCUSED = """() => {
    const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")];
    const shown = all.filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled);
    const one = document.activeElement;
    const outlined = (part) => part && getComputedStyle(part).outlineStyle !== "none";
    const seen = Boolean(outlined(one) || outlined(one.closest("label")));
    return { place: shown.indexOf(one), of: shown.length, seen };
}"""


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    """A video of a person who leaves and comes back."""
    comes_and_goes = [Actor(lambda _: (0.3, 0.45, 0.4), leaves_s=1.2), Actor(lambda _: (0.6, 0.5, 0.3), enters_s=4.6)]
    frames = scene(comes_and_goes, seconds=6.0, size=(480, 240))
    return write_video(tmp_path / "visits.mp4", frames)


def has_focus(page: Page, selector: str) -> None:
    expect(page.locator(selector).first).to_be_focused()


def walk(page: Page, begin: str) -> None:
    """Press Tab from an element to the end of the page: nothing is left out, and all is seen."""
    page.locator(begin).focus()
    place = page.evaluate(FOCUSED)["place"]
    while True:
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if found["place"] == -1:  # the browser's own
            break
        place += 1
        assert found["place"] == place, page.evaluate("document.activeElement.outerHTML")
        assert found["seen"], page.evaluate("document.activeElement.outerHTML")
    assert place == page.evaluate(FOCUSED)["of"] - 1


def test_all_of_each_view_is_reached_in_order_and_seen(visit, visits: Path):
    page = visit()
    listed = [
        {"id": f"01M0000000000000000000000{number}", "state": state, "created_at": "2026-01-01T00:00:00Z"}
        | {"warnings": [], "progress": {"done_s": 1, "total_s": 2}}
        for number, state in enumerate(["running", "succeeded"])
    ]
    page.route("**/analyses?*", lambda route: route.fulfill(json={"analyses": listed}))
    page.reload()
    expect(page.locator("#recent-list li")).to_have_count(2)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    walk(page, ".skip")

    analyse(page, visits)
    expect(page.locator("#people-chips canvas")).to_have_count(2)
    has_focus(page, "#result-title")
    page.evaluate("document.querySelectorAll('#cards details, #naming').forEach((part) => (part.open = true))")
    page.get_by_role("button", name="Zoom in").click()
    walk(page, ".skip")

    analysis = of(page)
    page.goto(page.url.replace(analysis, f"{analysis},{analysis}"))
    has_focus(page, "#compare-title")
    walk(page, ".skip")


def test_dialog_and_menu_keep_the_focus_and_give_it_back(visit, face: Path):
    page = visit()
    analyse(page, face)
    page.get_by_role("button", name="Delete").press("Enter")
    dialog = page.get_by_role("dialog")
    for name in ("Keep", "Delete analysis"):
        expect(dialog.get_by_role("button", name=name, exact=True)).to_be_focused()
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.body || sure.contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    has_focus(page, "#erase")

    menu = page.locator("#more > summary")
    menu.press("Enter")
    page.keyboard.press("Tab")
    has_focus(page, "#report")
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    menu.press("Enter")
    with page.expect_download():
        page.locator("#vtt").press("Enter")
    expect(menu).to_be_focused()
    menu.press("Enter")
    expect(page.locator("#boris")).to_be_visible()
    page.locator("#boris").focus()
    page.keyboard.press("Tab")
    has_focus(page, "#erase")
    expect(page.locator("#boris")).to_be_hidden()  # who leaves the menu closes it

    menu.press("Enter")
    page.locator("#annotate").press("Enter")
    has_focus(page, "#unannotate")
    page.keyboard.press("Enter")
    expect(menu).to_be_focused()


def test_what_is_changed_by_keyboard_takes_no_focus_away(visit, visits: Path):
    page = visit()
    analyse(page, visits)
    page.get_by_text("Name and join people").press("Enter")
    page.get_by_label("Name of person 1").fill("Ada")
    page.keyboard.press("Tab")
    expect(page.locator("#people-chips button").first).to_contain_text("Ada")
    has_focus(page, "#naming-rows select")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("heading", name="One person")).to_be_visible()
    has_focus(page, "#naming summary")
    page.get_by_role("button", name="Separate again").press("Enter")
    expect(page.locator("#people-chips button")).to_have_count(2)
    has_focus(page, "#naming summary")

    wait_for(lambda: page.evaluate("document.querySelector('#video').readyState >= 2"))  # before, it is not moved
    for time in ("0.5", "1"):
        page.locator("#scrub").fill(time)
        page.locator("#mark").press("Enter")
        expect(page.get_by_label(f"Note at 0:0{float(time):.1f}")).to_be_focused()
    page.keyboard.type("second")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")  # over the jump to its time
    expect(page.get_by_label("Remove the marker at 0:00.5")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("first")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Remove the marker at 0:00.5")).to_be_focused()
    assert [field.input_value() for field in page.locator("#markers input").all()] == ["first", "second"]
    page.keyboard.press("Enter")
    expect(page.get_by_label("Remove the marker at 0:01.0")).to_be_focused()
    expect(page.get_by_label("Note at 0:01.0")).to_have_value("second")
    page.keyboard.press("Enter")
    has_focus(page, "#mark")

    page.locator("#events button").nth(1).press("Enter")
    wait_for(lambda: page.evaluate("Number(scrub.value) !== 1"))
    has_focus(page, "#events td:nth-child(3) button")
    page.locator("#zoom-in").press("Enter")
    page.locator("#whole").press("Enter")
    has_focus(page, "#zoom-in")
    page.locator("#smooth").press("ArrowRight")
    page.locator("#raw").press("Enter")
    has_focus(page, "#smooth")


def test_two_results_are_walked_through_by_keyboard(visit, face: Path, visits: Path):
    page = visit()
    analyse(page, face)
    ids = [of(page)]
    page.get_by_role("button", name="New video").press("Enter")
    has_focus(page, "#main")
    analyse(page, visits)
    ids.append(of(page))

    page.goto(f"{page.url.partition('#')[0]}#{','.join(ids)}")
    has_focus(page, "#compare-title")
    expect(page.locator("#compare-columns article").nth(1)).to_contain_text("2 appearances")
    page.get_by_role("slider", name="Moment").press("End")
    expect(page.locator("#compare-time")).to_have_text("0:06.0")
    for said in page.locator("#compare-columns .now").all():
        expect(said).to_contain_text("0:06.0")
    page.locator("#compare-zoom-in").press("Enter")
    expect(page.locator("#compare-columns svg").first).to_contain_text("0:06")
    expect(page.locator("#compare-columns svg").first).not_to_contain_text("0:01.0")
    page.locator("#compare-whole").press("Enter")
    has_focus(page, "#compare-zoom-in")
