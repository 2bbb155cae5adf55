"""A researcher's walk through the page: many videos, people named, moments marked, results compared and taken away."""

from __future__ import annotations

import base64
import itertools
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import av
import cv2
import numpy as np
import pandas as pd
import pympi
import pytest
import webvtt
from playwright.sync_api import Page, expect

from tests.end_to_end.test_page import CHROMIUM, browser, camera, hold, of, pixels, visit
from tests.processes import wait_for
from tests.videos import Actor, face_video, faceless_video, scene, still, write_video

__all__ = ["browser", "camera", "visit"]  # fixtures

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


VISITS = "visits & more.mp4"
PLAIN = ["first.mp4", "second.mp4", "3rd, “quoted” #1 100%.mp4", "Ünder wägs.mp4", "five.mp4", "six.mp4"]
PHONE, EMPTY, UNWANTED = "phone.mov", "empty room.mp4", "unwanted.mp4"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten videos: seven of one person, one by a phone, one of nobody, one of two people of whom one comes back."""
    folder = tmp_path_factory.mktemp("study")
    comes_and_goes = [
        Actor(lambda _: (0.2, 0.45, 0.4), leaves_s=1.6),
        Actor(lambda _: (0.32, 0.5, 0.3), enters_s=5.6),
        still(0.73, other=True),
    ]
    return [
        write_video(folder / VISITS, scene(comes_and_goes, seconds=7.6, size=(480, 240))),
        *(face_video(folder / name, seconds=1.2) for name in PLAIN),
        write_video(folder / PHONE, scene([still()], seconds=1.2), codec="libx265"),
        faceless_video(folder / EMPTY, seconds=0.5),
        face_video(folder / UNWANTED, seconds=1.0),
    ]


def drop(page: Page, files: list[Path]) -> None:
    """Drop files on the page, as from a file manager."""
    contents = [[file.name, base64.b64encode(file.read_bytes()).decode()] for file in files]
    page.evaluate(
        """(contents) => {
            const dataTransfer = new DataTransfer();
            for (const [name, text] of contents) {
                const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
                const type = { mp4: "video/mp4", mov: "video/quicktime" }[name.split(".").at(-1)] ?? "text/plain";
                dataTransfer.items.add(new File([bytes], name, { type }));
            }
            document.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
        }""",
        contents,
    )


def taken(page: Page, button: str, folder: Path) -> Path:
    """Click a button that saves a file; return the file."""
    if not page.get_by_role("button", name=button, exact=True).is_visible():
        page.get_by_text("More formats").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).click()
    target = folder / download.value.suggested_filename
    download.value.save_as(target)
    return target


def test_a_study_from_a_drop_to_its_tables(visit, videos: list[Path], tmp_path: Path):
    page = visit(refused="409")  # a reload in mid-upload: the key is held until the first try is seen to have ended
    held = hold(page, "**/analyze*")
    words = tmp_path / "notes.txt"
    words.write_text("no video")

    drop(page, [*videos, words])
    rows = page.locator("#recent-list li")
    for video in videos:
        expect(rows.filter(has_text=video.name)).to_have_count(1)
    expect(rows.filter(has_text=words.name)).to_have_count(0)
    wait_for(lambda: page.title() and held)
    page.get_by_role("button", name=f"Cancel: {UNWANTED}").click()
    expect(rows.filter(has_text=UNWANTED)).to_have_count(0)
    page.unroute_all()
    page.reload()
    for name in (VISITS, *PLAIN, PHONE, EMPTY):
        expect(page.get_by_role("button", name=f"Open the analysis: {name}", exact=True)).to_be_visible()
    for name in (VISITS, *PLAIN):
        expect(rows.filter(has_text=name).locator("img")).to_be_visible()

    page.get_by_role("button", name=f"Open the analysis: {EMPTY}").click()
    expect(page.get_by_role("heading", name="No face was found")).to_be_visible()
    page.get_by_role("button", name="New video").click()
    page.get_by_role("button", name=f"Open the analysis: {PHONE}").click()
    expect(page.locator("#people-chips img")).to_be_visible()  # the service has made it
    expect(page.locator("#no-video")).to_contain_text("cannot play HEVC video")
    wait_for(lambda: pixels(page, "#boxes") > 300)
    page.get_by_role("button", name="New video").click()

    page.get_by_role("button", name="Open the analysis: visits & more.mp4").click()
    expect(page.get_by_role("heading", name="3 appearances")).to_be_visible()
    page.get_by_text("Name and join people").click()
    page.get_by_label("Name of person 1").fill("Ada <1>")
    page.keyboard.press("Tab")
    joined = page.locator("#naming-rows li").last.get_by_label("Is the same person as")
    joined.focus()
    joined.select_option("Ada <1>")
    expect(page.get_by_role("heading", name="2 people")).to_be_visible()
    page.locator("#scrub").fill("1.2")
    page.locator("body").press("m")
    expect(page.get_by_label(re.compile("Note at 0:01.2"))).to_be_focused()
    page.keyboard.type("she says")
    page.keyboard.press("Tab")
    page.get_by_label("Name of person 2").fill("Bo, the 2nd")
    page.keyboard.press("Tab")
    page.get_by_label(re.compile("Note at 0:01.2")).fill('she says "hi"')
    page.keyboard.press("Tab")
    page.locator("#smooth").fill("1")
    expect(page.locator("#smooth-said")).to_have_text("1.0 s")
    zoom_by_dragging(page)

    page.reload()
    expect(page.get_by_role("heading", name="2 people")).to_be_visible()
    expect(page.get_by_label(re.compile("Note at 0:01.2"))).to_have_value('she says "hi"')
    assert_taken_away(page, tmp_path)
    assert_seen(page, videos[0], tmp_path)
    analysis = of(page)

    page.get_by_role("button", name="New video").click()
    for name in ("first.mp4", "second.mp4"):
        page.get_by_label(f"Select {name}").check()
    page.get_by_role("button", name="Compare the selected").click()
    expect(page.get_by_role("heading", name="2 results")).to_be_focused()
    assert analysis not in of(page)
    expect(page.locator("#compare-columns article")).to_have_count(2)
    box = page.locator("#compare-columns article").first.locator(".chart").first
    box.click(position={"x": box.bounding_box()["width"] / 2, "y": 60})
    times = [line.partition(" ")[0] for line in page.locator("#compare-columns .now").all_inner_texts()]
    assert len(set(times)) == 1  # one clock
    assert times[0] != "0:00.0"
    group = pd.read_csv(taken(page, "Group as CSV", tmp_path)).set_index("name")
    assert set(group["people"]) == {2}
    assert group.loc[group["kind"] == "share", "mean"].sum() == pytest.approx(1)
    assert (group["low"] <= group["mean"]).all()


def zoom_by_dragging(page: Page) -> None:
    box = page.locator("#expression").bounding_box()
    page.locator("#expression").scroll_into_view_if_needed()
    box = page.locator("#expression").bounding_box()
    y = box["y"] + 60
    page.mouse.move(box["x"] + 0.4 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], y, steps=4)
    page.mouse.move(box["x"] + 0.6 * box["width"], y, steps=4)
    page.mouse.up()
    whole = page.get_by_role("button", name="Whole video")
    expect(whole).to_be_enabled()
    whole.click()
    expect(whole).to_be_disabled()


def assert_taken_away(page: Page, folder: Path) -> None:
    windows = pd.read_csv(taken(page, "CSV", folder))
    assert (folder / "visits & more.csv").is_file()
    assert set(windows["name"]) == {"Ada <1>", "Bo, the 2nd"}
    assert set(windows.loc[windows["name"] == "Ada <1>", "track"]) == {0, 2}

    viewer = json.loads(taken(page, "JSON", folder).read_text())["viewer"]
    assert viewer["file"] == "visits & more.mp4"
    assert [person["tracks"] for person in viewer["people"]] == [[0, 2], [1]]
    assert viewer["markers"] == [{"at_s": 1.2, "text": 'she says "hi"'}]

    typed = pd.read_parquet(taken(page, "Table (Parquet)", folder))
    pd.testing.assert_frame_equal(typed, windows, check_dtype=False)
    assert (typed["track"].dtype, typed["valence"].dtype) == ("int32", "float64")

    said = webvtt.read(taken(page, "Captions (WebVTT)", folder))
    assert ("00:00:01.200", "00:00:03.200") in [(one.start, one.end) for one in said if one.voice == "Note"]
    assert {one.voice for one in said} == {"Ada &lt;1&gt;", "Bo, the 2nd", "Note"}
    assert all(one.start < one.end for one in said)

    document = pympi.Eaf(taken(page, "ELAN (EAF)", folder))
    tiers = list(document.get_tier_names())
    assert {"Ada <1> expression", "Bo, the 2nd expression", "Markers"} <= set(tiers)
    assert document.get_annotation_data_for_tier("Markers") == [(1200, 1700, 'she says "hi"')]
    assert "visits%20&%20more.mp4" in document.get_linked_files()[0]["RELATIVE_MEDIA_URL"]
    for tier in tiers:
        spans = sorted(document.get_annotation_data_for_tier(tier))
        assert all(start < end for start, end, _ in spans)
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))  # as ELAN requires

    boris = pd.read_csv(taken(page, "BORIS table (TSV)", folder), sep="\t")
    assert boris.loc[boris["Behavior type"] == "POINT", "Comment"].tolist() == ['she says "hi"']
    assert (boris["Behavior type"] == "START").sum() == (boris["Behavior type"] == "STOP").sum()

    page.emulate_media(media="print")
    pdf = page.pdf(path=folder / "result.pdf")
    assert pdf.startswith(b"%PDF-")
    page.emulate_media(media="screen")

    report = taken(page, "Report (HTML)", folder).read_text()
    assert "Ada &lt;1&gt;" in report
    assert "Bo, the 2nd" in report
    assert report.count("one lane each") == 2  # each person's chart, whoever was looked at
    assert not re.search(r'(src|href)="', report)  # it needs nothing else

    drawn = taken(page, "Save the chart Expression as SVG", folder)
    assert drawn.name == "visits & more expression.svg"
    assert ET.parse(drawn).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    picture = cv2.imread(str(taken(page, "Save the chart Expression as PNG", folder)))
    assert picture.shape[1] == 1920
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10


def assert_seen(page: Page, video: Path, folder: Path) -> None:
    """Take the video away with boxes on it; the service has erased it, and so it is asked for."""
    page.get_by_text("More formats").click()
    page.get_by_role("button", name="Video with boxes").click()
    expect(page.get_by_role("alert")).to_contain_text("The video is not here")
    page.set_input_files("#attach-file", video)
    expect(page.locator("#video")).to_be_visible()
    page.get_by_text("More formats").click()
    page.get_by_role("button", name="Video with boxes").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#annotating")).to_be_hidden()
    seen = taken(page, "Video with boxes", folder)

    assert seen.stem == "visits & more with boxes"
    with av.open(str(seen)) as recorded:
        pictures = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in recorded.decode(video=0)]
    assert pictures[0][1].shape == (240, 480, 3)
    assert pictures[-1][0] > 6
    violet = np.abs(pictures[len(pictures) // 2][1].astype(int) - (0xA9, 0xA3, 0xFF)).max(axis=-1) < 60
    assert violet.sum() > 100  # the lines of a box
