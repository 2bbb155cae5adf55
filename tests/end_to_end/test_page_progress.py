"""The view of an analysis under way in a real browser: where the focus is, and what a screen reader hears."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.end_to_end.test_page import CHROMIUM, browser, camera, hold, visit
from tests.processes import wait_for

__all__ = ["browser", "camera", "visit"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

# What is shown in an element, and what the live regions of a view say.
HEAR = """([view, line]) => {
    const hear = (part, heard) => new MutationObserver((all) => {
        for (const { addedNodes } of all) for (const one of addedNodes) heard.push(one.textContent);
    }).observe(part, { childList: true });
    window.shown = [];
    window.spoken = [];
    hear(document.querySelector(line), shown);
    for (const region of document.querySelectorAll(`${view} :is([aria-live], [role=status])`)) hear(region, spoken);
}"""


def running(route: Route) -> None:
    """Respond with an analysis as if it had not ended."""
    found = route.fetch().json()
    kept = {name: found[name] for name in ("id", "created_at", "warnings")}
    route.fulfill(json=kept | {"state": "running", "progress": {"done_s": 0, "total_s": 50}})


def test_the_focus_goes_to_the_progress_of_an_upload_and_stays_where_it_is_moved(visit, face: Path):
    page = visit()
    held = hold(page, "**/analyze*")
    page.route("**/events", lambda _: None)  # it goes on and on
    page.route(re.compile(r"/analyses/[0-9A-Z]{26}$"), running)  # and after a reload, too
    page.set_input_files("#file", face)
    expect(page.locator("#work-title")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()

    wait_for(lambda: page.title() and held)
    held.pop().continue_()

    expect(page.locator("#stage-name")).to_contain_text("Waiting for a worker")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.reload()
    expect(page.locator("#work-title")).to_be_focused()


def test_progress_is_shown_each_time_and_spoken_now_and_then(visit, face: Path):
    page = visit()
    events = [f"event: progress\ndata: {json.dumps({'done_s': done, 'total_s': 50})}\n\n" for done in range(1, 41)]
    page.route("**/events", lambda route: route.fulfill(content_type="text/event-stream", body="".join(events)))
    page.evaluate(HEAR, ["#work", "#stage-name"])

    page.set_input_files("#file", face)
    expect(page.locator("#stage-name")).to_contain_text("0:40.0 of 0:50.0")

    spoken = page.evaluate("spoken")
    assert len(page.evaluate("shown")) > 40
    assert "Waiting for a worker…" in spoken
    assert sum(text.startswith("Analysing") for text in spoken) == 1


def test_an_upload_waits_only_for_others(visit, face: Path):
    page = visit()
    hold(page, "**/analyze*")
    page.evaluate(HEAR, ["#work", "#stage-name"])

    page.set_input_files("#file", face)
    wait_for(lambda: page.evaluate("shown"))
    page.wait_for_timeout(300)

    assert not [text for text in page.evaluate("shown") if "other uploads" in text]
    page.get_by_role("button", name="Go on in the background").click()
    page.set_input_files("#file", face)
    expect(page.locator("#stage-name")).to_have_text("Waiting for the other uploads")
