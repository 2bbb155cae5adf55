"""A bundle evaluated on a dataset's original pictures and videos."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from model.errors import ModelError
from model.evaluation import as_served
from model.evaluation.as_served import evaluate_as_served, write_still
from service.vision.frames import Limits
from tests.datasets import put_huge_picture, werewolf_xl
from tests.videos import face_video, portrait

BUNDLE = Path(__file__).parents[4] / "service/worker/bundles/default"


@pytest.fixture
def root(tmp_path):
    """A table of a smiling face, as a picture and as a video, and of a wall."""
    cv2.imwrite(str(tmp_path / "smile.png"), cv2.cvtColor(portrait(), cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((160, 120, 3), 90, np.uint8))
    face_video(tmp_path / "smile.mp4", seconds=1.0)
    lines = ["path,part,expression", "smile.png,test,happiness", "smile.mp4,test,happiness", "wall.png,test,neutral"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return tmp_path


def test_pictures_and_videos_are_scored_and_faces_that_are_not_found_are_counted(root):
    seen = []

    report = evaluate_as_served(BUNDLE, "csv", root, "test", progress=lambda *so_far: seen.append(so_far))

    assert report.pooled["expression"]["WAR"] == 1  # both smiles
    assert report.parts[0].clips == 2
    assert report.warnings == ("No face was found in 1 of 3 clips.",)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert report.confusion is not None
    assert report.confusion.counts[0][0] == 2


def test_a_video_that_cannot_be_read_is_counted_and_loses_no_others(root):
    (root / "broken.mp4").write_bytes((root / "smile.mp4").read_bytes()[:2000])
    with (root / "labels.csv").open("a") as table:
        table.write("\nbroken.mp4,test,neutral")

    report = evaluate_as_served(BUNDLE, "csv", root, "test")

    assert report.parts[0].clips == 2
    no_face, unreadable = report.warnings
    assert no_face == "No face was found in 1 of 4 clips."
    assert unreadable.startswith("1 clips cannot be read, the first of them: ")
    assert "broken.mp4" in unreadable


def test_a_picture_whose_header_says_too_many_pixels_is_counted_and_loses_no_others(root):
    put_huge_picture(root / "huge.bmp")
    with (root / "labels.csv").open("a") as table:
        table.write("\nhuge.bmp,test,neutral")

    report = evaluate_as_served(BUNDLE, "csv", root, "test")

    assert report.parts[0].clips == 2
    assert "1 clips cannot be read, the first of them: " in report.warnings[1]
    assert "huge.bmp cannot be read: Its frame huge.bmp is too large or damaged" in report.warnings[1]


def test_a_still_that_no_decoder_takes_is_counted_under_its_own_name(root, monkeypatch):
    monkeypatch.setattr(as_served, "LIMITS", Limits(max_pixels=100 * 100, max_duration_s=9, max_frames=99))

    with pytest.raises(ModelError, match=r"No face was found .*smile\.png cannot be read: The video's frames have"):
        evaluate_as_served(BUNDLE, "csv", root, "test")


def test_lines_that_cannot_be_used_are_counted_and_a_clip_that_is_listed_again_counts_once(root):
    with (root / "labels.csv").open("a") as table:
        table.write("\nsmile.png,test,neutral\nsmile.png,test,neutral\ngone.png,test,neutral")

    report = evaluate_as_served(BUNDLE, "csv", root, "test")

    assert report.parts[0].clips == 2
    assert report.pooled["expression"]["WAR"] == 1
    [left_out] = report.warnings[1:]
    assert left_out.startswith("3 clips of Videos and pictures with labels of one's own are left out. The first: ")
    assert left_out.endswith("smile.png. It is listed again, in part test.")


def test_a_part_whose_files_are_all_missing_says_so(root):
    (root / "labels.csv").write_text(
        "path,part,expression\nsmile.png,train,happiness\ngone.png,test,neutral\nwall.png,train,neutral\n"
    )

    with pytest.raises(
        ModelError, match=r"is empty: .* 1 clips of .* are left out\. The first: .*gone\.png is missing"
    ):
        evaluate_as_served(BUNDLE, "csv", root, "test")


def test_labels_in_another_range_than_the_models_are_refused(tmp_path):
    werewolf_xl(tmp_path)

    with pytest.raises(ModelError, match=r"has valence in \(-1\.0, 1\.0\), Werewolf-XL in \(-2\.0, 2\.0\)"):
        evaluate_as_served(BUNDLE, "werewolf-xl", tmp_path, "1")


def test_a_part_without_clips_is_refused(root):
    with pytest.raises(ModelError, match=r"The part train of Videos and pictures .* is empty"):
        evaluate_as_served(BUNDLE, "csv", root, "train")


def test_where_no_face_is_found_at_all_there_is_no_report(root):
    (root / "labels.csv").write_text("path,part,expression\nwall.png,test,neutral\nsmile.png,train,happiness\n")

    with pytest.raises(ModelError, match="No face was found in any of the 1 clips"):
        evaluate_as_served(BUNDLE, "csv", root, "test")


def test_where_no_clip_with_a_face_has_a_label_there_is_no_report(root):
    (root / "labels.csv").write_text(
        "path,part,expression\nwall.png,test,neutral\nsmile.png,test,\nsmile.mp4,train,happiness\n"
    )

    with pytest.raises(ModelError, match="A face was found in 1 of 2 clips, none of which has a label"):
        evaluate_as_served(BUNDLE, "csv", root, "test")


def test_a_still_is_a_video_of_one_second_in_its_own_shape(tmp_path):
    picture = np.zeros((50, 81, 3), np.uint8)
    picture[:, 40:] = (200, 100, 50)

    write_still(picture, tmp_path / "still.mp4")

    with av.open(str(tmp_path / "still.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert float(video.duration / av.time_base) == pytest.approx(1.0)
    assert frames[0].shape[1] / frames[0].shape[0] == pytest.approx(81 / 50, rel=0.02)
    assert np.abs(frames[0][20, -20].astype(int) - (200, 100, 50)).max() < 12
    assert np.abs(frames[-1].astype(int) - frames[0]).max() < 12


@pytest.mark.parametrize(
    ("shape", "held"),
    [((2, 600), (54, 16_384)), ((600, 2), (16_384, 54)), ((90, 17_000), (86, 16_384)), ((1, 40_000), (2, 16_384))],
)
def test_a_still_of_odd_sides_is_scaled_to_what_h264_holds(tmp_path, shape, held):
    write_still(np.zeros((*shape, 3), np.uint8), tmp_path / "still.mp4")

    with av.open(str(tmp_path / "still.mp4")) as video:
        assert (video.streams.video[0].height, video.streams.video[0].width) == held


def test_a_still_of_too_many_pixels_is_scaled_to_what_h264_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(as_served, "_LARGEST", 100 * 100)

    write_still(np.zeros((400, 100, 3), np.uint8), tmp_path / "still.mp4")

    with av.open(str(tmp_path / "still.mp4")) as video:
        assert (video.streams.video[0].height, video.streams.video[0].width) == (200, 50)
