"""Decoding on a GPU, here without one: what its frames look like is made from the processor's."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from mien.contract.errors import CannotDecode
from service.vision.clips import Clip, ClipSpec, read_clips
from service.vision.decode_device import GpuUnavailable, PlanarFrames, try_gpu
from service.vision.faces import open_detector
from service.vision.frames import Limits, VideoReader, open_video
from tests.videos import face_video

LIMITS = Limits(max_pixels=1 << 25, max_duration_s=60, max_frames=10_000)
SPECS = (ClipSpec(frames=4, interval_s=0.1, size=64, margin=0.2, hop_s=0.2),)


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_video(tmp_path_factory.mktemp("face") / "face.mp4", seconds=1.6)


@pytest.fixture
def no_card() -> None:
    try:
        try_gpu()
    except GpuUnavailable:
        return
    pytest.skip("this machine has a GPU that decodes")


def pixels(frame: av.VideoFrame) -> list[np.ndarray]:
    planes = ((p, np.frombuffer(memoryview(p), np.uint8).reshape(-1, p.line_size)) for p in frame.planes)
    return [lines[: plane.height, : plane.width] for plane, lines in planes]


@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_frames_of_a_card_get_the_processors_layout_without_loss(size: tuple[int, int]):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    planar = av.VideoFrame.from_ndarray(noise, "rgb24").reformat(format="yuv420p")
    planar.color_range, planar.colorspace, planar.pts = 2, 1, 7

    found = PlanarFrames()(planar.reformat(format="nv12"))

    assert found.format.name == "yuv420p"
    assert all(map(np.array_equal, pixels(found), pixels(planar)))
    assert (found.color_range, found.colorspace, found.pts) == (2, 1, 7)


@pytest.mark.parametrize("layout", ["yuv420p", "yuv420p10le", "rgb24", "p010le"])
def test_other_frames_stay_as_they_are(layout: str):
    frame = av.VideoFrame(64, 48, layout)

    assert PlanarFrames()(frame) is frame


def test_a_card_gives_the_clips_that_a_processor_gives(face: Path, monkeypatch):
    def clips() -> list[Clip]:
        events = read_clips(face, SPECS, detector=open_detector(None), limits=LIMITS, faces=1)
        return [event for event in events if isinstance(event, Clip)]

    expected, decode = clips(), VideoReader._decode

    def as_a_card(reader: VideoReader):
        for one in decode(reader):
            yield one._replace(frame=one.frame.reformat(format="nv12")) if hasattr(one, "frame") else one

    monkeypatch.setattr(VideoReader, "_decode", as_a_card)
    found = clips()

    assert len(found) == len(expected) > 3
    assert all(np.array_equal(one.pixels, other.pixels) for one, other in zip(found, expected, strict=True))


@pytest.mark.usefixtures("no_card")
def test_a_card_that_is_not_there_says_so():
    with pytest.raises(GpuUnavailable, match="no GPU can be opened"):
        try_gpu()


@pytest.mark.usefixtures("no_card")
def test_nothing_is_decoded_on_the_processor_in_a_cards_place(face: Path):
    with pytest.raises(CannotDecode), open_video(face, LIMITS, device="cuda"):
        pass
