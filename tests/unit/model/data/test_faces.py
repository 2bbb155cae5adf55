from itertools import islice

import cv2
import numpy as np
import pytest

from model.data import faces
from model.data.faces import SIZE, crop_face, crop_still
from model.data.media import ClipUnreadable, open_media, read_still, sample
from model.errors import ModelError
from service.vision.boxes import Box
from service.vision.faces import Detection
from tests.unit.model.data.conftest import full_disk
from tests.videos import Actor, face_video, faceless_video, pan, portrait, scene, shared_case, still, write_video


def frames_of(path):
    with open_media(path, None) as media:
        return [(frame.time_s, frame.until_s, frame.picture()) for frame in media.read(0.0)]


def test_the_face_is_cut_out_of_every_frame_with_the_videos_clock(tmp_path):
    video = face_video(tmp_path / "v.mp4", seconds=1.0, fps=24)

    crop_face(video, tmp_path / "clips/face.mp4")

    frames = frames_of(tmp_path / "clips/face.mp4")
    assert [time for time, _, _ in frames] == pytest.approx([index / 24 for index in range(24)], abs=1e-4)
    assert frames[-1][1] == pytest.approx(1.0, abs=1e-3)
    assert all(picture.shape == (SIZE, SIZE, 3) for _, _, picture in frames)
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["face.mp4"]


def test_colours_and_contents_survive(tmp_path):
    video = write_video(tmp_path / "v.mp4", scene([still(side=0.6)], seconds=0.8, size=(480, 360)))

    crop_face(video, tmp_path / "face.mp4")

    found = frames_of(tmp_path / "face.mp4")[10][2]
    side = len(portrait()) / (1 + 2 * 0.65)  # of the face in the portrait
    margin = int(side * (0.65 - 0.2))
    expected = portrait()[margin:-margin, margin:-margin].mean((0, 1))
    assert found.mean((0, 1)) == pytest.approx(expected, abs=15)


def test_of_several_faces_the_one_with_most_area_and_time_is_kept(tmp_path):
    small = still(0.25, side=0.3)
    large = still(0.7, side=0.5, other=True)
    brief = Actor(lambda _: (0.7, 0.5, 0.5), leaves_s=0.0)
    both = write_video(tmp_path / "both.mp4", scene([small, large], seconds=1.0))
    alone = write_video(tmp_path / "alone.mp4", scene([large, brief], seconds=1.0))

    for video in (both, alone):
        crop_face(video, tmp_path / "clips" / video.name)

    one, other = (frames_of(tmp_path / "clips" / name)[5][2].astype(float) for name in ("both.mp4", "alone.mp4"))
    assert abs(one - other).mean() < 6


def test_flv_is_cut(tmp_path):
    moving = pan((0.45, 0.55), seconds=0.8)
    video = write_video(
        tmp_path / "v.flv", scene([moving], seconds=0.8, fps=30), fps=30, codec="flv", options={"b": "2000000"}
    )

    crop_face(video, tmp_path / "face.mp4")

    with open_media(tmp_path / "face.mp4", None) as media:
        assert media.duration_s == pytest.approx(0.8, abs=0.04)
        assert len(sample(media, 0.0, frames=4, interval_s=0.0667)) == 4


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: faceless_video(path, seconds=0.6), "shows no face"),
        (lambda path: path.write_bytes(b"no video"), "cannot be read"),
        (lambda path: None, "cannot be read: No such file"),
    ],
)
def test_what_has_no_face_is_refused_and_leaves_nothing(tmp_path, make, reason):
    path = tmp_path / "v.mp4"
    make(path)

    with pytest.raises(ClipUnreadable, match=f"{path} {reason}"):
        crop_face(path, tmp_path / "clips/face.mp4")

    assert list((tmp_path / "clips").iterdir()) == []


def test_a_picture_is_cut_at_the_largest_face_that_is_sure(tmp_path, monkeypatch):
    source = tmp_path / "p.png"
    picture = np.zeros((200, 400, 3), np.uint8)
    picture[:, 200:] = 200
    cv2.imwrite(str(source), picture)
    drawn, small, smaller = Box(20, 20, 150, 150), Box(260, 50, 80, 80), Box(20, 20, 40, 40)
    found = [Detection(drawn, sure=False), Detection(small, sure=True), Detection(smaller, sure=True)]
    monkeypatch.setattr(faces, "detector_of", lambda _: lambda _picture: found)

    crop_still(source, tmp_path / "face.png")
    assert (read_still(tmp_path / "face.png") == 200).all()

    del found[1:]
    with pytest.raises(ClipUnreadable, match="shows no face"):
        crop_still(source, tmp_path / "none.png")


def test_a_drawing_is_no_face_in_pictures_and_videos(tmp_path):
    video = shared_case("emoji.mp4")
    with open_media(video, None) as media:
        drawing = next(islice(media.read(0.0), 15, None)).picture()
    cv2.imwrite(str(tmp_path / "p.png"), cv2.cvtColor(drawing, cv2.COLOR_RGB2BGR))

    for source, cut in ((video, crop_face), (tmp_path / "p.png", crop_still)):
        with pytest.raises(ClipUnreadable, match="shows no face"):
            cut(source, tmp_path / f"face{source.suffix}")


@pytest.mark.parametrize("kind", [".mp4", ".png"])
def test_a_full_disk_is_no_fault_of_the_source_and_leaves_nothing(tmp_path, kind):
    if kind == ".mp4":
        source, cut = face_video(tmp_path / "v.mp4", seconds=0.6), crop_face
    else:
        source, cut = tmp_path / "p.png", crop_still
        cv2.imwrite(str(source), cv2.cvtColor(portrait(), cv2.COLOR_RGB2BGR))
    target = tmp_path / f"clips/face{kind}"

    with full_disk(4000), pytest.raises(ModelError, match=f"^{target} cannot be written: File too large") as raised:
        cut(source, target)

    assert not isinstance(raised.value, ClipUnreadable)
    assert list((tmp_path / "clips").iterdir()) == []
