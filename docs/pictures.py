"""Make the pictures in docs/pictures anew, from the page's sample video of a rendered person: `make pictures`.

It needs Chromium. The face in the sample is rendered.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import cv2
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.end_to_end.test_page import CHROMIUM  # noqa: E402
from tests.processes import HANG_S, mien_serve  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SAMPLE = ROOT / "service" / "gateway" / "web" / "page" / "sample.mp4"
WIDTH = 1280
SCALE = 3  # of the annotated frame: the sample is small, and labels are to be read
MOMENT_S = 1.8


def page_picture(page: Page, url: str, target: Path) -> None:
    """Photograph the page with the result of the sample."""
    page.goto(url)
    page.get_by_role("button", name="Try a sample video").click()
    expect(page.locator("#result")).to_be_visible(timeout=1000 * HANG_S)
    page.locator("#scrub").fill(str(MOMENT_S))
    page.wait_for_timeout(1000)  # the video's picture at that moment
    page.evaluate("scrollTo(0, document.querySelector('#result').offsetTop - 12)")
    page.screenshot(path=target, type="jpeg", quality=80)


def enlarge(source: Path, target: Path) -> None:
    """Write a video `SCALE` times as large."""
    with av.open(str(source)) as video, av.open(str(target), "w") as larger:
        given = video.streams.video[0]
        stream = larger.add_stream("libx264", rate=given.average_rate)
        stream.width, stream.height, stream.pix_fmt = SCALE * given.width, SCALE * given.height, "yuv420p"
        for frame in video.decode(given):
            larger.mux(stream.encode(frame.reformat(stream.width, stream.height, interpolation="LANCZOS")))
        larger.mux(stream.encode(None))


def annotated_picture(url: str, folder: Path, target: Path) -> None:
    """Keep a frame of the sample as `mien analyze --annotate` draws on it."""
    large, seen = folder / "large.mp4", folder / "seen.mp4"
    enlarge(SAMPLE, large)
    mien = Path(sys.executable).with_name("mien")
    subprocess.run([mien, "analyze", large, "--annotate", seen, "--url", url], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    with av.open(str(seen)) as video:
        frame = next(frame for frame in video.decode(video=0) if frame.time >= MOMENT_S)
    cv2.imwrite(str(target), frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, 85])


def make(url: str, folder: Path, pictures: Path = PICTURES) -> None:
    """Make all pictures with a running service."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 1350}, color_scheme="light")
        page_picture(page, url, pictures / "page.jpg")
        browser.close()
    annotated_picture(url, folder, pictures / "annotated.jpg")


if __name__ == "__main__":
    temporary = Path(tempfile.mkdtemp())
    try:
        with mien_serve(temporary) as served:
            make(served.url, temporary)
    finally:
        shutil.rmtree(temporary)
