"""Live analysis in a real browser: a camera that is turned or lost, and what a screen reader hears."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.end_to_end.test_page import ASKED, CHROMIUM, DESKTOP, ON, browser, camera, visit
from tests.end_to_end.test_page_progress import HEAR
from tests.processes import wait_for

__all__ = ["browser", "camera", "visit"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

# A camera that films a white square on blue, and that can be turned.
SQUARE = """() => {
    const film = document.createElement("canvas");
    const context = film.getContext("2d");
    window.turn = (width, height) => Object.assign(film, { width, height });
    turn(640, 360);
    setInterval(() => {
        context.fillStyle = "blue";
        context.fillRect(0, 0, film.width, film.height);
        context.fillStyle = "white";
        context.fillRect(film.width / 2 - 100, film.height / 2 - 100, 200, 200);
    }, 40);
    navigator.mediaDevices.getUserMedia = async () => film.captureStream(25);
}"""


def square(jpeg: bytes) -> tuple[int, int]:
    """Width and height of the white square of a frame, in pixels."""
    ys, xs = np.nonzero(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).min(axis=-1) > 128)
    return int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1


def shape(jpeg: bytes) -> tuple[int, ...]:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape[:2]


@pytest.mark.parametrize("viewport", [DESKTOP, {"width": 700, "height": 900}], ids=["wide", "narrow"])
def test_a_camera_that_is_turned_keeps_the_shape_of_what_it_films(visit, viewport: dict[str, int]):
    page = visit(viewport=viewport)
    frames: list[bytes] = []
    box = [{"event": "window", "dropped_frames": 0, "window": {"track": 0, "start_s": 0, "end_s": 1e6}}]

    def hear(socket: WebSocketRoute) -> None:
        def take(message: str | bytes) -> None:
            if isinstance(message, bytes):
                frames.append(message[8:])
                socket.send(json.dumps(box[0]))

        socket.on_message(take)

    page.route_web_socket("**/live", hear)
    page.reload()
    page.evaluate(SQUARE)
    page.get_by_role("button", name="Watch live").click()
    wait_for(lambda: page.title() and len(frames) > 5)
    assert shape(frames[-1]) == (360, 640)
    assert square(frames[-1]) == pytest.approx((200, 200), abs=6)

    page.evaluate("turn(360, 640)")
    wait_for(lambda: page.evaluate("document.querySelector('#live-video').videoHeight") == 640)
    seen = len(frames)
    box[0]["window"]["box"] = [275, 135, 90, 90]  # what fits over it in the frame: a tenth of the picture is 36 pixels
    wait_for(lambda: page.title() and len(frames) > seen + 5)

    assert shape(frames[-1]) == (360, 640)  # the service takes no other size within a session
    width, height = square(frames[-1])
    assert width == pytest.approx(height, abs=4)
    assert height == pytest.approx(200 * 360 / 640, abs=6)
    drawn = page.evaluate("""() => {
        const canvas = document.querySelector("#live-boxes");
        const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const xs = [...Array(data.length / 4).keys()].filter((at) => data[4 * at + 3]).map((at) => at % width);
        return { width, height, from: Math.min(...xs), fit: getComputedStyle(canvas).objectFit };
    }""")
    assert drawn["width"] / drawn["height"] == pytest.approx(360 / 640, abs=0.01)
    assert drawn["from"] == pytest.approx((drawn["width"] - 90) / 2, abs=6)  # over the square, without the bars
    assert drawn["fit"] == "contain"  # as the video: where its element has another shape, both have bars


def test_a_camera_that_is_lost_ends_the_session_with_what_to_do(visit):
    page = visit()
    page.route_web_socket("**/live", lambda _: None)
    page.reload()
    page.evaluate(ASKED)
    page.get_by_role("button", name="Watch live").click()
    page.evaluate("allow[0]()")
    expect(page.locator("#live-note")).to_contain_text("No face was found")

    page.evaluate("streams[0].getTracks()[0].dispatchEvent(new Event('ended'))")  # as when it is unplugged

    expect(page.get_by_role("alert")).to_contain_text("The camera stopped")
    expect(page.get_by_role("alert")).to_contain_text("Connect it and allow it for this page, then start again")
    expect(page.locator("#start")).to_be_visible()
    assert page.evaluate(ON) == [False]
    page.get_by_role("button", name="Watch live").click()  # it can be started again
    page.evaluate("allow[1]()")
    expect(page.locator("#live-note")).to_contain_text("No face was found")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_the_number_of_skipped_frames_is_shown_and_not_spoken_each_time(visit):
    page = visit()

    def skip(socket: WebSocketRoute) -> None:
        skipped = iter(range(1, 1000))

        def told(_: str | bytes) -> None:
            window = {"track": 0, "start_s": 0, "end_s": 1e6}
            socket.send(json.dumps({"event": "window", "window": window, "dropped_frames": next(skipped)}))

        socket.on_message(told)

    page.route_web_socket("**/live", skip)
    page.reload()
    page.evaluate(HEAR, ["#live", "#live-note"])
    page.get_by_role("button", name="Watch live").click()

    wait_for(lambda: len(page.evaluate("shown")) > 20)

    assert sum("frames were skipped" in text for text in page.evaluate("spoken")) == 1
