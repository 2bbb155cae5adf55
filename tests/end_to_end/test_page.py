"""The page in a real browser, as its users meet it."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from mien.contract.errors import BY_CODE, Misconfigured, Unreachable
from tests.processes import HANG_S, Served, mien_serve, wait_for
from tests.videos import scene, still, two_faces_video, write_video

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
HANG_MS = 1000 * HANG_S

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
if CHROMIUM is None:
    warnings.warn("No Chromium is installed: the page's tests skip.", stacklevel=1)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def camera(face: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Chromium's fake camera films: the face, as Motion JPEG."""
    target = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    with av.open(str(face)) as source, av.open(str(target), "w", format="mjpeg") as film:
        stream = film.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        for frame in source.decode(video=0):
            film.mux(stream.encode(frame.reformat(width=320, height=240, format="yuvj420p")))
        film.mux(stream.encode(None))
    return target


@pytest.fixture(scope="module")
def browser(camera: Path) -> Iterator[Browser]:
    expect.set_options(timeout=HANG_MS)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=CHROMIUM,
            timeout=HANG_MS,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ],
        )


# The page's script reads what is stored before it listens, which the event `load` does not wait for.
LOADED = """() => {
    const script = document.querySelector("script[type=module][src]");
    return script && import(script.src).then(() => true);
}"""


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """Open the page; at the end, nothing went wrong in it and nothing came from elsewhere."""
    wrong, pages = [], []

    def heard(kind: str, text: str, refused: str) -> None:
        own = "willReadFrequently" in text  # `pixels` reads again and again
        if kind in ("error", "warning") and refused not in text and not own:
            wrong.append(text)

    def visit(*, url: str = served.url, at: str = "", refused: str = "none", **options: object) -> Page:
        page = browser.new_context(**{"viewport": DESKTOP, **options}).new_page()
        page.set_default_timeout(HANG_MS)
        pages.append(page)
        page.on("console", lambda said: heard(said.type, said.text, refused))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda one: one.url.startswith((url, "blob:", "data:")) or wrong.append(one.url))
        page.goto(url + at)
        page.evaluate(LOADED)
        return page

    yield visit
    for page in pages:
        page.context.close()
    assert not wrong


def analyse(page: Page, video: Path) -> None:
    page.set_input_files("#file", video)
    expect(page.locator("#result")).to_be_visible()


def of(page: Page) -> str:
    """The id of the analysis that the address names."""
    return page.url.partition("#")[2]


def pixels(page: Page, selector: str) -> int:
    """How many colours a canvas shows."""
    return page.evaluate(
        """(selector) => {
            const canvas = document.querySelector(selector);
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size;
        }""",
        selector,
    )


def moment(page: Page) -> float:
    minutes, seconds = re.match(r"(\d+):(\d+\.\d)", page.locator("#time").inner_text()).groups()
    return 60 * int(minutes) + float(seconds)


def test_a_video_is_dropped_looked_at_downloaded_and_deleted(visit, served: Served, face: Path, tmp_path: Path):
    page = visit()
    expect(page.locator("#model")).to_contain_text("mien-default")
    expect(page.locator("#limits")).to_have_text("Up to 2 GB each.")
    analyse(page, face)

    expect(page.get_by_role("heading", name="One person")).to_be_focused()
    for chart in ("#expression", "#dimensions", "#plane", "#traits"):
        drawn = page.locator(f"{chart} svg")
        expect(drawn).to_be_visible()
        assert drawn.get_attribute("aria-label")
        assert "NaN" not in drawn.inner_html()
    expect(page.locator("#shares")).to_contain_text("100")
    expect(page.locator("#about")).to_contain_text(re.compile(r"face\.mp4 · .* · mien-default .*trained · kept until"))

    # Before, it cannot be moved. (The page's policy forbids what `wait_for_function` does with a string.)
    wait_for(lambda: page.evaluate("document.querySelector('#video').readyState >= 1"))
    box = page.locator("#expression").bounding_box()
    page.locator("#expression").click(position={"x": 0.5 * box["width"], "y": 0.3 * box["height"]})
    expect(page.locator("#now")).to_contain_text("valence")
    wait_for(lambda: page.evaluate("document.querySelector('#video').currentTime > 0 && Number(scrub.value) > 0"))
    assert 0.7 < moment(page) < 1.3
    assert page.evaluate("document.querySelector('#video').currentTime") == pytest.approx(moment(page), abs=0.06)
    assert pixels(page, "#boxes") > 3  # the box over the face

    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    download.value.save_as(tmp_path / "answer.json")
    answer = json.loads((tmp_path / "answer.json").read_text())
    (one,) = answer["faces"]
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "answer.csv")
    rows = list(csv.DictReader((tmp_path / "answer.csv").open()))
    assert [float(row["start_s"]) for row in rows] == [window["start_s"] for window in one["timeline"]]
    page.get_by_text("All windows as a table").click()
    assert page.locator("#windows tr").count() == 1 + len(rows)
    shown = page.locator("#windows tr").last.locator("td").last.text_content()
    assert shown == f"{100 * float(rows[-1]['quality']):.0f}\u00a0%"

    page.get_by_role("button", name="New video").click()
    page.get_by_role("button", name=re.compile("Open the analysis")).first.click()
    expect(page.locator("#result")).to_be_visible()
    page.locator("#scrub").fill("1.2")  # without its video, a slider is the clock
    assert moment(page) == 1.2
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep", exact=True).click()
    analysis = f"{served.url}/analyses/{answer['id']}"
    assert page.request.get(analysis).status == 200
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete analysis").click()
    expect(page.get_by_role("heading", name="What does a face show")).to_be_visible()
    assert page.request.get(analysis).status == 410


def test_a_result_has_an_address_that_survives_reloading_and_going_back(visit, face: Path):
    page = visit()
    analyse(page, face)

    page.reload()
    expect(page.get_by_role("heading", name="One person")).to_be_visible()
    expect(page.locator("#no-video")).to_be_visible()
    page.get_by_role("button", name="New video").click()
    expect(page.locator("#start")).to_be_visible()
    page.go_back()
    expect(page.locator("#result")).to_be_visible()
    page.go_forward()
    expect(page.locator("#start")).to_be_visible()


def test_an_address_outlives_a_service_that_is_away(visit, face: Path):
    page = visit(refused="503")
    analyse(page, face)
    away = {"code": "queue_unavailable", "title": "The queue does not answer", "detail": "Try again."}

    page.route(f"**/analyses/{of(page)}", lambda route: route.fulfill(status=503, json=away))
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The queue does not answer")
    page.unroute_all()
    page.reload()

    expect(page.get_by_role("heading", name="One person")).to_be_visible()


def test_an_answer_that_comes_late_takes_nobody_away(visit, face: Path):
    page = visit()
    analyse(page, face)
    held = hold(page, f"**/analyses/{of(page)}")
    page.get_by_role("button", name="New video").click()

    page.go_back()
    wait_for(lambda: page.title() and held)  # what is asked of the page lets it work
    page.go_forward()
    let_go(page, held.pop())
    expect(page.locator("#start")).to_be_visible()
    page.go_back()
    wait_for(lambda: page.title() and held)
    page.get_by_role("button", name="Watch live").click()
    let_go(page, held.pop())
    expect(page.locator("#live")).to_be_visible()
    expect(page.locator("#result")).to_be_hidden()

    page.unroute_all()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#result")).to_be_visible()  # where the address says
    assert page.evaluate("document.querySelector('#live-video').srcObject") is None


def hold(page: Page, address: str) -> list[Route]:
    """Hold the requests to an address; return the list that they come into."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(address, keep)
    return held


def let_go(page: Page, held: Route) -> None:
    """Let go of a request; return when the page has done what it does with its answer."""
    with page.expect_response(held.request.url) as response:
        held.continue_()
    response.value.finished()
    page.wait_for_timeout(200)


def test_an_analysis_can_be_opened_again_where_the_address_names_it_already(visit, face: Path):
    page = visit(refused="503")
    analyse(page, face)
    page.route(f"**/analyses/{of(page)}", lambda route: route.fulfill(status=503, json={}))
    page.reload()
    expect(page.get_by_role("alert")).to_be_visible()
    page.unroute_all()

    page.get_by_role("button", name=re.compile("Open the analysis")).first.click()

    expect(page.locator("#result")).to_be_visible()


def test_going_back_takes_the_question_whether_to_delete_along(visit, served: Served, face: Path):
    page = visit()
    analyse(page, face)
    analysis = f"{served.url}/analyses/{of(page)}"

    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()

    expect(page.locator("#start")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.request.get(analysis).status == 200


def test_the_address_of_an_analysis_that_failed_says_why(visit):
    page = visit()
    error = {"code": "unreadable", "title": "It broke", "detail": "Why."}
    analysis = {"id": "01M00000000000000000000000", "warnings": [], "state": "failed", "error": error}
    page.route(f"**/analyses/{analysis['id']}", lambda route: route.fulfill(json=analysis))

    page.goto(f"{page.url}#{analysis['id']}")

    expect(page.get_by_role("alert")).to_contain_text("It broke")
    expect(page.locator("#start")).to_be_visible()


def test_an_analysis_that_failed_is_taken_off_the_list(visit):
    page = visit()
    error = {"code": "unreadable", "title": "It broke", "detail": "Why."}
    failed = {
        "id": "01M00000000000000000000000",
        "state": "failed",
        "created_at": "2026-01-01T00:00:00Z",
        "warnings": [],
    }
    failed |= {"error": error, "progress": {"done_s": 0, "total_s": None}}
    listed, erased = [failed], []

    def erase(route: Route) -> None:
        erased.append(route.request.method)
        listed.clear()
        route.fulfill(status=204)

    page.route("**/analyses?*", lambda route: route.fulfill(json={"analyses": listed}))
    page.route(f"**/analyses/{failed['id']}", erase)
    page.reload()
    expect(page.locator("#recent-list")).to_contain_text("It broke: Why.")
    page.get_by_role("button", name=re.compile("Remove")).click()

    expect(page.locator("#recent")).to_be_hidden()
    assert erased == ["DELETE"]


def test_the_address_of_an_analysis_that_is_gone_is_told(visit, served: Served):
    page = visit(refused="404")
    page.goto(f"{served.url}/#01M00000000000000000000000")

    expect(page.get_by_role("alert")).to_contain_text("There is no such analysis")
    expect(page.get_by_role("alert")).to_contain_text("Check the address, or choose the video again")
    expect(page.locator("#start")).to_be_visible()


def test_the_video_plays_and_takes_the_charts_along(visit, face: Path):
    page = visit()
    analyse(page, face)
    page.evaluate("document.querySelector('#video').loop = true")  # so that it has not ended before it is stopped

    page.get_by_role("button", name="Play").click()
    wait_for(lambda: page.evaluate("Number(scrub.value) > 0.3"))
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="New video").click()
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")


def turned_video(path: Path) -> Path:
    """Write a video whose frames are 480 × 270 pixels for a second, and 270 × 480 then; the face is in the middle."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = 480, 270, "yuv420p"
        for part, (size, side) in enumerate([((480, 270), 0.5), ((270, 480), 0.3)]):
            camera = av.CodecContext.create("libvpx", "w")
            camera.width, camera.height, camera.pix_fmt, camera.time_base = *size, "yuv420p", Fraction(1, 25)
            camera.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
            shown = scene([still(y=0.5, side=side)], seconds=1.0, size=size)
            frames = [av.VideoFrame.from_ndarray(one, format="rgb24") for one in shown]
            for index, packet in enumerate(packet for one in [*frames, None] for packet in camera.encode(one)):
                packet.stream, packet.time_base = stream, Fraction(1, 25)
                packet.pts = packet.dts = 25 * part + index
                container.mux(packet)
    return path


def test_on_paper_the_boxes_have_the_shape_of_the_video(visit, tmp_path: Path):
    page = visit(viewport={"width": 1280, "height": 400})  # beside the low picture there are bars on the screen
    analyse(page, write_video(tmp_path / "upright.mp4", scene([still(side=0.8)], seconds=1.2, size=(240, 480))))
    shape = "() => boxes.width / boxes.height"
    assert page.evaluate(shape) > 0.6

    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(shape) == pytest.approx(0.5, abs=0.01)
    for part in ("#stage", "#boxes"):
        box = page.locator(part).bounding_box()
        assert box["width"] / box["height"] == pytest.approx(0.5, abs=0.01)
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(shape) > 0.6


def test_one_person_alone_needs_no_strip_of_everybody(visit, face: Path):
    page = visit()
    analyse(page, face)
    page.get_by_role("button", name="Mark this moment").click()
    page.locator("#smooth").fill("1")

    expect(page.locator("#smooth-said")).to_have_text("1.0 s")
    expect(page.locator("#expression svg")).to_be_visible()
    expect(page.locator("#people-box")).to_be_hidden()


def test_boxes_stay_on_the_face_of_a_camera_that_is_turned(visit, tmp_path: Path):
    page = visit()
    analyse(page, turned_video(tmp_path / "turned.webm"))
    wait_for(lambda: page.evaluate("document.querySelector('#video').readyState >= 1"))

    page.locator("#scrub").fill("1.5")
    wait_for(lambda: page.evaluate("document.querySelector('#video').videoWidth") == 270)

    def middle() -> float | None:
        """Where the middle of what is drawn is, from left to right, as a share of the stage."""
        return page.evaluate(
            """() => {
                const canvas = document.querySelector("#boxes");
                const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                const drawn = [...Array(data.length / 4).keys()].filter((at) => data[4 * at + 3]);
                return drawn.length ? drawn.reduce((sum, at) => sum + (at % width), 0) / drawn.length / width : null;
            }"""
        )

    wait_for(lambda: abs((middle() or 0) - 0.5) < 0.05)


def test_one_person_or_the_other_is_looked_at_with_the_keyboard_alone(visit, tmp_path: Path):
    page = visit()
    analyse(page, two_faces_video(tmp_path / "two.mp4", seconds=1.5))

    chips = page.get_by_role("group", name="People in the video").get_by_role("button")
    assert chips.count() == 2
    expect(chips.locator("canvas")).to_have_count(2)  # a picture of each
    expect(chips.nth(0)).to_have_attribute("aria-pressed", "true")
    for _ in range(20):
        page.keyboard.press("Tab")
        if chips.nth(1).evaluate("(chip) => chip === document.activeElement"):
            break
    page.keyboard.press("Enter")

    expect(chips.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(chips.nth(0)).to_have_attribute("aria-pressed", "false")


def test_the_camera_is_recorded_and_analysed(visit):
    page = visit()
    page.get_by_role("button", name="Record with the camera").click()
    expect(page.locator("#viewfinder")).to_be_visible()
    expect(page.locator("#recorded")).to_contain_text(re.compile(r"Recording ([4-9]|\d\d) of"))
    page.get_by_role("button", name="Stop and analyse").click()

    expect(page.locator("#result")).to_be_visible()
    expect(page.get_by_role("heading", name="One person")).to_be_visible()


def test_a_recording_is_cancelled(visit):
    page = visit()
    uploads = []
    page.on("request", lambda one: one.method == "POST" and uploads.append(one.url))
    page.get_by_role("button", name="Record with the camera").click()
    page.get_by_role("button", name="Cancel", exact=True).click()

    expect(page.get_by_role("button", name="Record with the camera")).to_be_focused()
    assert page.evaluate("document.querySelector('#viewfinder').srcObject") is None
    assert not uploads


def test_a_recording_ends_unheard_where_a_file_is_chosen_meanwhile(visit, face: Path):
    page = visit()
    uploads = []
    page.on("request", lambda one: one.method == "POST" and uploads.append(one.url))
    page.get_by_role("button", name="Record with the camera").click()
    expect(page.locator("#viewfinder")).to_be_visible()

    analyse(page, face)

    assert page.evaluate("document.querySelector('#viewfinder').srcObject") is None
    assert len(uploads) == 1


# The page's cameras, each of which waits to be allowed.
ASKED = """() => {
    const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
    window.allow = [];
    window.streams = [];
    media.getUserMedia = async (wanted) => {
        await new Promise((resolve) => allow.push(resolve));
        streams.push(await open(wanted));
        return streams.at(-1);
    };
}"""
ON = "streams.map((stream) => stream.getTracks().some((track) => track.readyState === 'live'))"


def test_live_stopped_before_the_camera_is_allowed_leaves_it_off(visit):
    page = visit()
    page.evaluate(ASKED)
    page.get_by_role("button", name="Watch live").click()
    page.get_by_role("button", name="Stop").click()
    page.evaluate("allow[0]()")

    wait_for(lambda: page.evaluate(ON) == [False])
    expect(page.locator("#start")).to_be_visible()


def test_of_two_recordings_the_one_that_was_left_takes_its_camera_along(visit):
    page = visit()
    page.evaluate(ASKED)
    page.get_by_role("button", name="Record with the camera").click()
    page.get_by_role("button", name="Watch live").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Record with the camera").click()
    page.evaluate("allow[2]()")
    expect(page.locator("#recording")).to_be_visible()
    page.evaluate("allow[0]()")

    wait_for(lambda: page.evaluate(ON) == [True, False])
    expect(page.locator("#recording")).to_be_visible()


@pytest.mark.parametrize(
    "broken",
    [
        "HTMLMediaElement.prototype.play = () => Promise.reject(Error())",
        "MediaRecorder = function () { throw Error() }",
    ],
    ids=["play", "recorder"],
)
def test_a_recording_that_cannot_begin_leaves_the_camera_off(visit, broken: str):
    page = visit()
    page.evaluate(ASKED)
    page.evaluate(f"void ({broken})")

    record = page.get_by_role("button", name="Record with the camera")
    record.click()
    page.evaluate("allow[0]()")
    wait_for(lambda: page.evaluate(ON) == [False])
    record.click()
    page.evaluate("allow[1]()")
    wait_for(lambda: page.evaluate(ON) == [False, False])
    expect(page.get_by_role("alert")).to_contain_text("No camera")
    expect(page.locator("#recording")).to_be_hidden()


def test_a_late_close_ends_no_other_live_session(visit):
    page = visit()
    page.route_web_socket("**/live", lambda _: None)  # it opens, and nothing is ever said
    page.reload()
    page.evaluate(
        """() => {
            window.sockets = [];
            window.WebSocket = class extends WebSocket {
                constructor(address) { super(address); sockets.push(this); }
            };
        }"""
    )
    page.get_by_role("button", name="Watch live").click()
    wait_for(lambda: page.evaluate("sockets.length === 1"))
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Watch live").click()
    wait_for(lambda: page.evaluate("sockets.length === 2"))

    page.evaluate("sockets[0].dispatchEvent(new CloseEvent('close'))")

    expect(page.locator("#live")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_that_no_face_is_read_is_not_said_before_one_could_be(visit):
    page = visit()
    page.route_web_socket("**/live", lambda _: None)
    page.reload()
    page.evaluate(
        """() => {
            window.said = [];
            const note = document.querySelector("#live-note");
            const hear = () => said.push([note.textContent, performance.now() / 1000]);
            new MutationObserver(hear).observe(note, { childList: true });
        }"""
    )

    page.get_by_role("button", name="Watch live").click()
    expect(page.locator("#live-note")).to_contain_text("No face was found")

    (first, began), (_, then) = page.evaluate("said")
    assert first == "Starting…"
    assert then - began >= 2


def test_the_camera_is_watched_live(visit):
    page = visit()

    page.get_by_role("button", name="Watch live").click()

    expect(page.get_by_role("heading", name="Live")).to_be_focused()
    card = page.locator(".live-card")
    expect(card).to_contain_text("Person 1")
    expect(card).to_contain_text("valence")
    expect(card.locator(".live-bar")).to_have_count(7)
    wait_for(lambda: pixels(page, "#live-boxes") > 3)  # the box over the picture
    page.evaluate("document.querySelector('#live-video').srcObject.getTracks()[0].enabled = false")  # black
    expect(page.locator("#live-note")).to_contain_text("No face was found")
    expect(card).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#start")).to_be_visible()
    assert page.evaluate("document.querySelector('#live-video').srcObject") is None
    page.get_by_role("button", name="Watch live").click()
    expect(card).to_contain_text("Person 1")


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Served]:
    """A service that needs keys."""
    with mien_serve(tmp_path, require_keys=True) as served:
        yield served


def test_where_a_key_is_needed_the_page_asks_for_it_and_uses_it_for_all(visit, locked: Served, face: Path):
    redis_url = (locked.data_dir / "redis-url").read_text().strip()
    command = [Path(sys.executable).with_name("mien"), "keys", "create"]
    environment = {**os.environ, "MIEN_REDIS_URL": redis_url}
    made = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    page = visit(url=locked.url, refused="401")

    expect(page.get_by_label("This service needs an API key")).to_be_focused()
    expect(page.get_by_role("alert")).to_be_hidden()
    page.keyboard.type("mien_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The API key is not valid")
    page.get_by_label("This service needs an API key").fill(made.stdout.strip())
    page.keyboard.press("Enter")
    expect(page.locator("#model")).to_contain_text("mien-default")
    expect(page.locator("#key-form")).to_be_hidden()

    analyse(page, face)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert "track" in download.value.path().read_text().partition("\n")[0].split(",")
    analysis = of(page)
    page.reload()  # the key is kept for the tab
    expect(page.locator("#result")).to_be_visible()
    page.get_by_role("button", name="New video").click()
    page.get_by_role("button", name="Watch live").click()
    expect(page.locator(".live-card")).to_contain_text("Person 1")

    elsewhere = visit(url=locked.url, at=f"/#{analysis}", refused="401")
    elsewhere.get_by_label("This service needs an API key").fill(made.stdout.strip())
    elsewhere.keyboard.press("Enter")
    expect(elsewhere.get_by_role("heading", name="One person")).to_be_visible()


def test_whether_the_model_is_trained_is_said(visit, served: Served):
    page = visit()
    expect(page.locator("#model")).to_contain_text("Trained on")
    expect(page.locator("#untrained")).to_be_hidden()
    answer = page.request.get(f"{served.url}/models").json()
    answer["models"][0] |= {"trained": False, "tasks": ["expression"]}

    page.route("**/models", lambda route: route.fulfill(json=answer))
    page.reload()

    expect(page.locator("#model .badge")).to_have_text("not trained")
    expect(page.get_by_role("note")).to_contain_text("The served model is not trained")
    expect(page.locator(".gives li:visible")).to_have_count(1)  # what it does not read is not promised
    expect(page.get_by_role("contentinfo")).to_contain_text("AI Act")


def test_that_no_worker_runs_is_said_until_one_does(visit, face: Path):
    page = visit()
    expect(page.locator("#model")).to_contain_text("mien-default")
    expect(page.locator("#no-worker")).to_be_hidden()
    page.route("**/models", lambda route: route.fulfill(json={"models": [], "workers": 0}))
    page.reload()
    expect(page.get_by_role("note")).to_contain_text("No worker is running. Videos that you send now wait")
    assert_accessible(page)

    page.unroute_all()
    analyse(page, face)
    page.get_by_role("button", name="New video").click()
    expect(page.locator("#no-worker")).to_be_hidden()


def test_models_that_look_at_windows_of_their_own_are_drawn_together(visit, face: Path):
    page = visit()
    analyse(page, face)
    answer = page.request.get(f"{page.url.replace('#', 'analyses/')}").json()
    (one,) = answer["faces"]
    expression = one["timeline"][0]["expression"]
    one["timeline"] = [
        {"start_s": k, "end_s": k + 3, "expression": expression}
        if k % 2
        else {"start_s": k, "end_s": k + 4, "valence": 0.5, "arousal": -0.5}
        for k in range(1000)
    ]
    answer["video"]["duration_s"] = 1000

    page.route(f"**/analyses/{of(page)}", lambda route: route.fulfill(json=answer))
    page.reload()

    expect(page.get_by_role("heading", name="One person")).to_be_visible()
    for chart in ("expression", "dimensions"):
        assert "NaN" not in page.locator(f"#{chart}").inner_html()
    assert "NaN" not in page.locator("#windows").text_content()


def crowd(faces: int, *, seconds: int) -> dict[str, object]:
    """An analysis of many faces that are all there for a long time, with a window every two seconds."""
    labels = ["happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"]

    def window(face: int, start: int) -> dict[str, object]:
        likely = labels[(face + start // 60) % len(labels)]
        scores = {label: 0.94 if label == likely else 0.01 for label in labels}
        return {
            "start_s": start,
            "end_s": start + 2.5,
            "quality": 1.0,
            "valence": 0.5,
            "arousal": -0.5,
            "expression": {"label": likely, "scores": scores},
        }

    return {
        "id": "01M00000000000000000000000",
        "state": "succeeded",
        "created_at": "2026-01-01T00:00:00Z",
        "warnings": [],
        "models": [],
        "progress": {"done_s": seconds, "total_s": seconds},
        "video": {"duration_s": seconds, "fps": 25.0, "width": 1920, "height": 1080, "frames": 25 * seconds},
        "faces": [
            {
                "track": face,
                "start_s": 0,
                "end_s": seconds,
                "coverage": 1.0,
                "timeline": [window(face, start) for start in range(0, seconds, 2)],
                "path": [[time, 60 * face, 100, 50, 50] for time in range(0, seconds, 5)],
            }
            for face in range(faces)
        ],
    }


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_thirty_faces_of_an_hour_are_shown(visit, viewport: dict[str, int]):
    page = visit(viewport=viewport)
    analysis = crowd(30, seconds=3600)
    page.route(f"**/analyses/{analysis['id']}", lambda route: route.fulfill(json=analysis))

    page.goto(f"{page.url}#{analysis['id']}")

    expect(page.get_by_role("heading", name="30 people")).to_be_visible()
    page.locator("#people-chips button").last.click()
    expect(page.locator("#summary-who")).to_contain_text("Person 30")
    expect(page.locator("#windows tr")).to_have_count(1002)  # with its head, and a line on the rest
    for chart in ("people", "expression", "dimensions"):
        drawn = page.locator(f"#{chart}").inner_html()
        assert "NaN" not in drawn
        assert len(drawn) < 2_000_000
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_what_is_no_video_is_said(visit, tmp_path: Path):
    file = tmp_path / "words.mp4"
    file.write_bytes(b"These are words. " * 100)
    page = visit(refused="415")
    page.set_input_files("#file", file)

    expect(page.get_by_role("alert")).to_contain_text("Send the video file itself")
    expect(page.locator("#start")).to_be_visible()


def test_an_analysis_under_way_is_cancelled(visit, served: Served, face: Path):
    page = visit()
    page.route("**/events", lambda _: None)  # its events never come
    page.set_input_files("#file", face)
    expect(page.locator("#stage-name")).to_contain_text("Waiting for a worker")
    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("#start")).to_be_visible()


def test_an_analysis_under_way_survives_a_reload(visit, face: Path):
    page = visit()
    held = hold(page, "**/events")
    page.set_input_files("#file", face)
    wait_for(lambda: page.title() and held)
    analysis = of(page)
    under_way = {"id": analysis, "state": "running", "created_at": "2026-01-01T00:00:00Z", "warnings": []}
    under_way["progress"] = {"done_s": 0.5, "total_s": 2.0}
    page.route(f"**/analyses/{analysis}", lambda route: route.fulfill(json=under_way))
    page.route("**/analyses?*", lambda route: route.fulfill(json={"analyses": [under_way]}))

    page.reload()
    expect(page.get_by_role("heading", name="face.mp4")).to_be_visible()
    page.get_by_role("button", name="Go on in the background").click()
    expect(page.locator("#recent-list")).to_contain_text("Analysing: 0:00.5 of 0:02.0")
    page.unroute_all()
    page.get_by_role("button", name="Watch the analysis: face.mp4").click()

    expect(page.locator("#result")).to_be_visible()
    assert of(page) == analysis


def test_the_sample_needs_no_video_of_ones_own(visit):
    page = visit()
    page.get_by_role("button", name="Try a sample video").click()

    expect(page.get_by_role("heading", name="One person")).to_be_visible()
    expect(page.locator("#about")).to_contain_text("sample.mp4")
    expect(page.locator("#shares li").first).to_be_visible()


# The service's first answer is lost on its way.
LOST = """() => {
    const { send, setRequestHeader } = XMLHttpRequest.prototype;
    window.accepted = [];
    window.keys = [];
    XMLHttpRequest.prototype.setRequestHeader = function (name, value) {
        if (name === "Idempotency-Key") keys.push(value);
        setRequestHeader.call(this, name, value);
    };
    XMLHttpRequest.prototype.send = function (body) {
        const { onload, onerror } = this;
        this.onload = () => {
            accepted.push(JSON.parse(this.response).id);
            (accepted.length === 1 ? onerror : onload)();
        };
        send.call(this, body);
    };
}"""


def test_an_upload_cut_off_by_a_lost_connection_finds_its_analysis_again(visit, face: Path):
    page = visit()
    page.evaluate(LOST)
    analyse(page, face)

    assert page.evaluate("accepted") == [of(page), of(page)]
    assert len(set(page.evaluate("keys"))) == 1


@pytest.mark.parametrize("is_deleted", [False, True])
def test_an_upload_whose_file_changes_meanwhile_is_refused_with_the_reason(
    visit, face: Path, tmp_path: Path, is_deleted: bool
):
    page = visit(refused="Failed to load resource")
    file = tmp_path / "mine.mp4"
    file.write_bytes(face.read_bytes())
    os.utime(file, (1e9, 1e9))  # browsers compare whole seconds
    page.route("**/analyze*", lambda route: route.abort())
    page.set_input_files("#file", file)
    expect(page.locator("body")).to_contain_text("The service does not respond")

    if is_deleted:
        file.unlink()
    else:
        file.write_bytes(face.read_bytes() + b"more")
    page.unroute("**/analyze*")

    expect(page.locator("body")).to_contain_text("It was changed, moved or deleted after you chose it.")
    assert page.evaluate(STORED) == []


def test_an_upload_goes_on_after_a_reload(visit, face: Path):
    page = visit()
    held = hold(page, "**/analyze")
    page.set_input_files("#file", face)
    wait_for(lambda: page.title() and held)

    page.reload()
    wait_for(lambda: page.title() and len(held) == 2)  # the first went with the page, and never reached the service
    held[1].continue_()

    expect(page.get_by_role("button", name="Open the analysis: face.mp4").first).to_be_visible()


def test_an_upload_cancelled_while_its_picture_is_made_is_not_sent(visit, face: Path):
    page = visit()
    sent = []
    page.on("request", lambda one: one.method == "POST" and sent.append(one.url))
    page.evaluate(SLOW_PICTURES)
    page.set_input_files("#file", face)

    page.get_by_role("button", name="Cancel").click()
    page.evaluate("playable()")
    page.wait_for_timeout(500)  # in which it would be sent

    expect(page.locator("#start")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel: face.mp4")).to_have_count(0)
    assert not sent


# No video can be played before `playable` is called.
SLOW_PICTURES = """() => {
    const { addEventListener } = HTMLVideoElement.prototype;
    const allowed = new Promise((resolve) => (window.playable = resolve));
    HTMLVideoElement.prototype.addEventListener = function (name, listener, options) {
        const later = async (event) => {
            await allowed;
            listener.call(this, event);
        };
        addEventListener.call(this, name, later, options);
    };
}"""


def test_uploads_that_find_no_key_in_a_new_tab_go_on_with_one(visit, face: Path):
    page = visit()
    held = hold(page, "**/analyze*")
    page.set_input_files("#file", [face, face])
    wait_for(lambda: page.title() and held)
    another = page.context.new_page()
    page.close()
    locked = {"code": "key_required", "title": "An API key is required", "detail": "Send one."}

    def answer(route: Route) -> None:
        headers = dict(route.request.headers)
        if headers.pop("authorization", None) or "/analyze" not in route.request.url:
            route.continue_(headers=headers)  # this service knows no keys
        else:
            route.fulfill(status=401, json=locked)

    another.route("**/*", answer)
    another.goto(page.url)
    expect(another.get_by_label("This service needs an API key")).to_be_focused()
    expect(another.locator("#recent-list")).to_contain_text("An API key is required: Enter a key")
    expect(another.locator("#recent-list")).to_contain_text("Waiting for the other uploads")
    another.keyboard.type("mien_any")
    another.keyboard.press("Enter")

    expect(another.get_by_role("button", name="Open the analysis: face.mp4")).to_have_count(2)


def test_a_file_for_which_the_browser_has_no_room_is_asked_for_again(visit, tmp_path: Path):
    page = visit()
    origin = page.evaluate("location.origin")
    page.context.new_cdp_session(page).send(
        "Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 10_000_000}
    )
    held = hold(page, "**/analyze*")
    file = tmp_path / "big.avi"
    file.write_bytes(bytes(20_000_000))
    page.set_input_files("#file", file)
    wait_for(lambda: page.title() and held)
    wait_for(lambda: page.evaluate(STORED) == [["big.avi", False]])

    page.reload()

    expect(page.locator("#recent-list")).to_contain_text("Drop the same file again to go on")


STORED = """() => new Promise((resolve) => {
    indexedDB.open("mien", 1).onsuccess = ({ target }) => {
        target.result.transaction("videos").objectStore("videos").getAll().onsuccess = ({ target: { result } }) =>
            resolve(result.map(({ name, file }) => [name, Boolean(file)]));
    };
})"""


def test_as_many_faces_are_followed_as_are_asked_for(visit, tmp_path: Path):
    page = visit()
    page.get_by_label("Faces to follow at a time").select_option("1")
    analyse(page, two_faces_video(tmp_path / "two.mp4", seconds=1.2))

    expect(page.get_by_role("heading", name="One person")).to_be_visible()
    expect(page.locator("#warnings")).to_contain_text("choose more under “Faces to follow at a time”")


def test_an_upload_that_one_tab_cancels_is_sent_by_no_other(visit, face: Path):
    page = visit()
    held = hold(page, "**/analyze*")
    page.set_input_files("#file", face)
    wait_for(lambda: page.title() and held)
    other = page.context.new_page()
    sent = []
    other.on("request", lambda one: one.method == "POST" and sent.append(one.url))
    other.goto(page.url)
    expect(other.get_by_role("button", name="Cancel: face.mp4")).to_be_visible()

    page.get_by_role("button", name="Cancel").click()

    expect(other.locator("#recent-list").get_by_text("Waiting for the other uploads")).to_have_count(0)
    assert not sent


def test_an_analysis_that_is_deleted_under_watch_says_so(visit, served: Served, face: Path):
    page = visit()
    page.route("**/events", lambda route: route.fulfill(content_type="text/event-stream", body=CANCELLED))
    page.set_input_files("#file", face)

    expect(page.get_by_role("alert")).to_contain_text("The analysis was deleted")
    expect(page.locator("#start")).to_be_visible()


CANCELLED = 'event: ended\ndata: {"state": "cancelled"}\n\n'


def test_a_service_that_is_away_under_watch_is_told_and_waited_for(visit, face: Path):
    page = visit(refused="ERR_FAILED")
    page.route("**/events", lambda route: route.abort())
    page.set_input_files("#file", face)
    expect(page.locator("#stage-name")).to_contain_text("The service does not answer")

    page.unroute_all()
    expect(page.locator("#result")).to_be_visible()


def test_a_video_that_this_browser_cannot_play_has_all_the_rest(visit, face: Path, tmp_path: Path):
    page = visit()
    video = write_video(tmp_path / "phone.mov", scene([still()], seconds=1.5), codec="libx265")
    analyse(page, video)

    expect(page.locator("#no-video")).to_contain_text("cannot play HEVC video")
    expect(page.locator("#no-video")).to_contain_text("small pictures of the faces instead")
    expect(page.locator("#people-chips img")).to_be_visible()
    expect(page.locator("#video")).to_be_hidden()
    expect(page.locator("#expression svg")).to_be_visible()
    page.get_by_role("button", name="Play").click()  # the boxes and the charts play alone
    wait_for(lambda: page.evaluate("Number(scrub.value) > 0.3"))
    assert pixels(page, "#boxes") > 300  # a picture of the face, not only a box

    stored = page.request.get(page.url.replace("#", "analyses/")).json()
    assert stored["faces"][0]["pictures"]


def test_a_video_that_this_browser_plays_leaves_no_pictures_behind(visit, face: Path):
    page = visit()
    analyse(page, face)

    assert "pictures" not in page.request.get(page.url.replace("#", "analyses/")).json()["faces"][0]


# Colours are the scheme's and places are the viewport's: two of the four pairs show both.
@pytest.mark.parametrize(("scheme", "viewport"), [("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone"])
def test_nothing_serious_stands_in_anybodys_way(visit, face: Path, scheme: str, viewport: dict[str, int]):
    page = visit(color_scheme=scheme, viewport=viewport)
    held = hold(page, "**/events")
    assert_accessible(page)
    page.set_input_files("#file", face)
    wait_for(lambda: page.title() and held)  # under way
    assert_accessible(page)
    held.pop().continue_()
    page.unroute_all()
    expect(page.locator("#result")).to_be_visible()
    page.get_by_role("button", name="Mark this moment").click()
    page.evaluate("document.querySelectorAll('#result details').forEach((part) => (part.open = true))")
    assert_accessible(page)
    page.get_by_role("button", name="Zoom in").click()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    page.get_by_role("button", name="Delete").click()
    assert_accessible(page)
    page.get_by_role("button", name="Keep", exact=True).click()
    analysis = of(page)
    page.goto(page.url.replace(analysis, f"{analysis},{analysis}"))
    expect(page.locator("#several")).to_be_visible()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    page.get_by_role("button", name="Back to the videos").click()
    page.get_by_role("button", name="Watch live").click()
    expect(page.locator(".live-card")).to_contain_text("Person 1")
    expect(page.locator("#live-history svg")).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_wrong_with_notices(visit, served: Served, tmp_path: Path, scheme: str):
    page = visit(color_scheme=scheme, viewport=PHONE, refused="status of 4")
    locked = {"code": "key_required", "title": "A key is needed", "detail": "Send one."}
    page.route("**/models", lambda route: route.fulfill(status=401, json=locked))
    page.reload()
    expect(page.get_by_label("This service needs an API key")).to_be_visible()
    assert_accessible(page)
    page.unroute_all()
    answer = page.request.get(f"{served.url}/models").json()
    answer["models"][0]["trained"] = False
    page.route("**/models", lambda route: route.fulfill(json=answer))
    page.reload()
    expect(page.get_by_role("note")).to_be_visible()
    words = tmp_path / "words.mp4"
    words.write_bytes(b"These are words. " * 100)
    page.set_input_files("#file", words)
    expect(page.get_by_role("alert")).to_be_visible()
    assert_accessible(page)

    analyse(page, write_video(tmp_path / "phone.mov", scene([still()], seconds=1.2), codec="libx265"))
    expect(page.locator("#no-video")).to_be_visible()
    page.evaluate("document.querySelector('#annotating').hidden = false")
    page.evaluate("document.querySelector('#warnings').hidden = false")
    page.get_by_text("More formats").click()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize(("scheme", "viewport"), [("dark", DESKTOP), ("light", PHONE)], ids=["desktop", "phone"])
def test_nothing_serious_is_wrong_with_the_list_and_a_recording(visit, face: Path, scheme: str, viewport: dict):
    page = visit(color_scheme=scheme, viewport=viewport)
    one = {"created_at": "2026-01-01T00:00:00Z", "warnings": [], "progress": {"done_s": 72, "total_s": 320}}
    error = {"code": "unreadable", "title": "It broke", "detail": "Why."}
    states = ["queued", "running", "failed", "succeeded"]
    listed = [{"id": f"01M0000000000000000000000{number}", "state": state} for number, state in enumerate(states)]
    listed[2]["error"] = error
    page.route("**/analyses?*", lambda route: route.fulfill(json={"analyses": [one | more for more in listed]}))
    page.route("**/analyze*", lambda _: None)  # an upload that goes on and on, and one that waits for it
    page.reload()
    page.set_input_files("#file", [face, face])
    expect(page.locator("#recent-list li")).to_have_count(6)
    expect(page.locator("#recent-list").get_by_text("Waiting for the other uploads")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("Remove"))).to_be_visible()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]

    page.get_by_role("button", name="Record with the camera").click()
    expect(page.locator("#viewfinder")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#recording")).to_be_hidden()


def assert_accessible(page: Page) -> None:
    found = [
        (violation["id"], violation["nodes"][0]["html"])
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert not found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_docs_page_opens_with_the_endpoints_and_lists_the_errors_below_a_click(visit, scheme: str):
    page = visit(at="/docs", color_scheme=scheme)

    expect(page.get_by_text("/analyze", exact=True)).to_be_in_viewport()
    expect(page.get_by_text("/analyses/{analysis_id}/events")).to_be_visible()
    codes = page.locator(".info details table tr td:first-child")
    expect(codes.first).to_be_hidden()
    page.get_by_text("All error codes").click()
    expect(codes.first).to_be_visible()
    shown = set(codes.all_inner_texts())
    assert {code for code, kind in BY_CODE.items() if not issubclass(kind, (Misconfigured, Unreachable))} == shown
    paper = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
    assert ("dark" in paper) == (scheme == "dark")
