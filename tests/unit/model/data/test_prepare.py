import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mien.contract.bundle import ClipInput
from model.data import jobs, registry
from model.data.clip_dataset import ClipDataset
from model.data.executors import Processes
from model.data.faces import CROP
from model.data.media import open_media, read_still
from model.data.prepare import PrepareSettings, prepare
from model.data.prepared import Region, read_prepared, read_rows
from model.data.shards import open_sharded
from model.errors import ModelError
from tests import datasets
from tests.unit.model.data.conftest import full_disk
from tests.videos import face_video, faceless_video, portrait, scene, still, write_video


@pytest.fixture
def faces(tmp_path_factory):
    """A folder of two videos of a face and one of none."""
    root = tmp_path_factory.mktemp("faces")
    face_video(root / "b.mp4", seconds=0.6)
    shutil.copy(root / "b.mp4", root / "a face.mp4")
    faceless_video(root / "none.mp4", seconds=0.3)
    return root


def run(root, out, dataset="folder", workers=1, progress=None, **settings):
    more = {} if progress is None else {"progress": progress}
    return prepare(PrepareSettings(dataset=dataset, root=root, **settings), out, executor=Processes(workers), **more)


def problems(out):
    with (out / "problems.csv").open(newline="") as file:
        return {row["clip"]: row["reason"] for row in csv.DictReader(file)}


def test_faces_are_cut_out_and_what_has_none_is_listed(faces, tmp_path):
    seen = []

    report = run(faces, tmp_path / "out", progress=lambda *so_far: seen.append(so_far))

    rows = read_rows(tmp_path / "out")
    assert [row.id for row in rows] == ["a face.mp4", "b.mp4"]
    for row in rows:
        with open_media(tmp_path / "out" / row.media, None) as media:
            assert media.duration_s == pytest.approx(0.6, abs=0.01)
    assert problems(tmp_path / "out") == {"none.mp4": f"{faces / 'none.mp4'} shows no face."}
    assert (report.clips, report.problems, report.warnings) == ({"train": 2}, 1, ())
    prepared = read_prepared(tmp_path / "out")
    assert (prepared.name, prepared.tasks, prepared.parts, prepared.shards) == ("folder", (), ("train",), False)
    assert (prepared.interval_s, prepared.crop.margin) == (pytest.approx(0.16), 0.2)
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_several_processes_do_the_same(faces, tmp_path):
    run(faces, tmp_path / "one")
    (tmp_path / "one/crops.json").unlink()  # or they would be taken from there
    run(faces, tmp_path / "two", workers=2)

    for name in ("dataset.json", "clips.csv", "problems.csv", "report.json"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_what_was_interrupted_goes_on_where_it_was(faces, tmp_path, monkeypatch):
    out = tmp_path / "out"

    class Interrupted(BaseException):
        pass

    def interrupt(done, _):
        if done == 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(faces, out, progress=interrupt)
    with (out / "journal.jsonl").open("a") as file:
        file.write('["b.mp4", "cut of')  # the machine lost power, too
    first = next((out / "clips").iterdir()).stat()
    asked = []
    monkeypatch.setattr("model.data.prepare.run_crop_job", lambda job: asked.append(job.id) or jobs.run_crop_job(job))

    run(faces, out)

    assert asked == ["b.mp4", "none.mp4"]
    assert first in [path.stat() for path in (out / "clips").iterdir()]
    assert len(read_rows(out)) == 2
    run(faces, tmp_path / "whole")
    assert (out / "clips.csv").read_text() == (tmp_path / "whole/clips.csv").read_text()
    assert (out / "problems.csv").read_text() == (tmp_path / "whole/problems.csv").read_text()

    asked.clear()
    run(faces, out)
    assert asked == ["none.mp4"]


def test_what_was_killed_goes_on(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    face_video(root / "0.mp4", seconds=0.6)
    for number in range(1, 6):
        shutil.copy(root / "0.mp4", root / f"{number}.mp4")
    program = f"""
import os, pathlib, signal
from model.data.executors import Processes
from model.data.prepare import PrepareSettings, prepare

def killed(done, _):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

root, out = map(pathlib.Path, {(str(root), str(out))})
prepare(PrepareSettings(dataset="folder", root=root), out, executor=Processes(1), progress=killed)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    done = len((out / "journal.jsonl").read_text().splitlines()) - 1

    seen = []
    run(root, out, progress=lambda *so_far: seen.append(so_far))

    assert 2 <= done < 6
    assert seen[0][0] >= done
    assert len(read_rows(out)) == 6


def test_other_settings_need_another_folder(faces, tmp_path):
    run(faces, tmp_path / "out")

    with pytest.raises(ModelError, match="was begun with other settings"):
        run(faces, tmp_path / "out", limit=1)


def test_a_folder_with_other_things_in_it_is_left_alone(faces, tmp_path):
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(ModelError, match="holds other files"):
        run(faces, tmp_path)


def test_a_folder_within_the_dataset_is_refused(faces):
    with pytest.raises(ModelError, match="choose an --out outside"):
        run(faces, faces / "out")


def test_a_missing_root_and_an_unknown_dataset_are_refused(tmp_path):
    with pytest.raises(ModelError, match=f"{tmp_path / 'no'} is no folder: the root of DFEW was expected"):
        run(tmp_path / "no", tmp_path / "out", "dfew")
    with pytest.raises(ModelError, match="There is no dataset 'dfev'"):
        run(tmp_path, tmp_path / "out", "dfev")
    assert not (tmp_path / "out").exists()


def test_an_empty_part_is_refused(tmp_path):
    root = tmp_path / "root"
    datasets.dfew(root)
    shutil.rmtree(root / "Clip/clip_224x224/00003")
    shutil.rmtree(root / "Clip/clip_224x224/00008")

    with pytest.raises(ModelError, match=f"The part '3' of DFEW is empty: there are no clips of it below {root}"):
        run(root, tmp_path / "out", "dfew")


def test_a_part_of_which_nothing_can_be_read_is_refused(faces, tmp_path):
    for name in ("a face.mp4", "b.mp4"):
        (faces / name).unlink()

    with pytest.raises(ModelError, match=r"The part 'train' .* is empty: .* that can be read \(see .*problems\.csv\)"):
        run(faces, tmp_path / "out")

    assert list(problems(tmp_path / "out")) == ["none.mp4"]


def test_frame_folders_stay_where_they_are_and_broken_ones_are_listed(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    datasets.dfew(root)
    (root / "Clip/clip_224x224/00004/1.jpg").write_bytes(b"broken")
    (root / "Clip/clip_224x224/00005/1.jpg").unlink()  # one less is no harm
    for path in (root / "Clip/clip_224x224/00006").iterdir():
        path.unlink()

    report = run(root, out, "dfew")

    rows = read_rows(out)
    assert [row.id for row in rows] == [f"{number:05d}" for number in (1, 2, 7, 3, 8, 9, 5, 10)]
    assert {Path(row.media).parent for row in rows} == {root / "Clip/clip_224x224"}
    assert {row.fps for row in rows} == {25}
    assert sorted(problems(out)) == ["00004", "00006"]
    assert report.warnings[0] == "Part 1 has 1 clips, 2341 were expected."
    assert report.labels["2"] == {"sadness": 1, "fear": 1}
    assert json.loads((out / "report.json").read_text())["warnings"] == list(report.warnings)
    assert not (out / "clips").exists()


def test_people_and_totals_are_counted(tmp_path):
    root = tmp_path / "root"
    datasets.ravdess(root)
    row = replace(registry.DATASETS["ravdess"], crops=True)  # gray videos show no face

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.DATASETS, "ravdess", row)
        assert run(root, tmp_path / "out", "ravdess").warnings == ("There are 24 clips, 1440 were expected.",)
        shutil.rmtree(root / "Actor_02")
        report = run(root, tmp_path / "fewer", "ravdess")

    assert report.warnings == (
        "There are 23 clips, 1440 were expected.",
        "Part 1 shows 3 people, 4 were expected.",
    )


def test_a_clip_that_is_listed_twice_counts_once(tmp_path):
    root = tmp_path / "root"
    datasets.ferv39k(root)
    listed = root / "4_setups/All_scenes/test_All.csv"
    listed.write_text(listed.read_text() + "Action/Happy/0000 Happy\n")

    run(root, tmp_path / "out", "ferv39k")

    assert [row.part for row in read_rows(tmp_path / "out") if row.id == "Action/Happy/0000"] == ["train"]
    assert problems(tmp_path / "out") == {"Action/Happy/0000": "It is listed again, in part test."}


@pytest.mark.parametrize("spelling", ["./face.png", "./x/../face.png", "{root}/face.png"])
def test_a_picture_that_is_listed_twice_in_different_spellings_counts_once(portraits, tmp_path, spelling):
    line = spelling.format(root=portraits)
    (portraits / "x").mkdir()
    (portraits / "labels.csv").write_text(
        f"path,part,expression\nface.png,train,anger\nface2.png,test,fear\n{line},test,\n"
    )

    run(portraits, tmp_path / "out", dataset="csv")

    assert [(row.id, row.part) for row in read_rows(tmp_path / "out")] == [("face.png", "train"), ("face2.png", "test")]
    assert problems(tmp_path / "out") == {"face.png": "It is listed again, in part test."}


def test_a_limit_takes_some_of_each_part_and_warns_of_nothing(tmp_path):
    root = tmp_path / "root"
    datasets.dfew(root)

    five, seven = (run(root, tmp_path / str(limit), "dfew", limit=limit) for limit in (5, 7))

    assert five.clips == dict.fromkeys("12345", 1)
    assert seven.clips == {"1": 2, "2": 2, "3": 1, "4": 1, "5": 1}
    assert five.warnings == ()


def test_columns_are_named(tmp_path):
    root = tmp_path / "root"
    datasets.werewolf_xl(root)
    table = root / "PAD/average.csv"
    table.write_text(table.read_text().replace("VideoName", "Video").replace("Mean_A_1_2", "A"))
    settings = {"dataset": "werewolf-xl", "columns": {"clip": "Video", "arousal": "A"}}

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.DATASETS, "werewolf-xl", replace(registry.DATASETS["werewolf-xl"], crops=True))
        run(root, tmp_path / "out", **settings)
    assert read_rows(tmp_path / "out")[0].arousal == -1.5

    with pytest.raises(ModelError, match="Werewolf-XL has no column 'anger' to name; it has: clip, arousal"):
        run(root, tmp_path / "no", "werewolf-xl", columns={"anger": "A"})
    with pytest.raises(ModelError, match="DFEW has no column 'clip' to name; it has: none"):
        run(root, tmp_path / "no", "dfew", columns={"clip": "A"})


def test_faces_that_another_preparation_has_cut_out_are_not_cut_out_again(faces, tmp_path, monkeypatch):
    run(faces, tmp_path / "first")
    asked = []
    cut = jobs.crop_face
    monkeypatch.setattr(
        jobs, "crop_face", lambda source, *rest, **how: asked.append(source.name) or cut(source, *rest, **how)
    )

    run(faces, tmp_path / "second", limit=3)

    assert asked == ["none.mp4"]  # it shows no face, which no file tells
    first, second = tmp_path / "first", tmp_path / "second"
    for one, other in zip(read_rows(first), read_rows(second), strict=True):
        assert (first / one.media).read_bytes() == (second / other.media).read_bytes()


def test_faces_of_another_margin_or_of_a_changed_video_are_cut_out_again(faces, tmp_path, monkeypatch):
    root = tmp_path / "root"
    shutil.copytree(faces, root)
    run(root, tmp_path / "first")
    shutil.copy(root / "b.mp4", root / "c.mp4")
    os.utime(root / "b.mp4", (1, 1))
    asked = []
    cut = jobs.crop_face
    monkeypatch.setattr(
        jobs, "crop_face", lambda source, *rest, **how: asked.append(source.name) or cut(source, *rest, **how)
    )

    run(root, tmp_path / "second")
    assert asked == ["b.mp4", "c.mp4", "none.mp4"]
    asked.clear()

    run(root, tmp_path / "third", margin=0.4)
    assert asked == ["a face.mp4", "b.mp4", "c.mp4", "none.mp4"]


def test_a_replaced_picture_is_cut_out_anew_and_its_old_face_is_given_to_no_other_folder(portraits, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    run(portraits, first, dataset="csv")
    before = crop_of(first, "face.png")
    cv2.imwrite(str(portraits / "face.png"), cv2.cvtColor(portrait(other=True), cv2.COLOR_RGB2BGR))

    run(portraits, first, dataset="csv")
    run(portraits, second, dataset="csv")

    assert not np.array_equal(crop_of(first, "face.png"), before)
    assert np.array_equal(crop_of(second, "face.png"), crop_of(first, "face.png"))
    assert np.array_equal(crop_of(second, "face2.png"), before)


def test_a_picture_that_is_replaced_while_faces_are_cut_out_is_cut_out_by_the_next_folder(portraits, tmp_path):
    def replace_picture(done, _):
        if done == 1:
            cv2.imwrite(str(portraits / "face.png"), cv2.cvtColor(portrait(other=True), cv2.COLOR_RGB2BGR))

    run(portraits, tmp_path / "first", dataset="csv", progress=replace_picture)
    run(portraits, tmp_path / "second", dataset="csv")

    assert not np.array_equal(crop_of(tmp_path / "second", "face.png"), crop_of(tmp_path / "first", "face.png"))


def crop_of(out, clip):
    return next(read_still(out / row.media) for row in read_rows(out) if row.id == clip)


def test_one_bad_line_is_listed_and_stops_nothing(tmp_path):
    root = tmp_path / "root"
    datasets.dfew(root)
    table = root / "EmoLabel_DataSplit/test(single-labeled)/set_1.csv"
    table.write_text(table.read_text() + "77,9\n")

    run(root, tmp_path / "out", "dfew")

    assert len(read_rows(tmp_path / "out")) == 10
    place = f"{table}, line 4"
    assert problems(tmp_path / "out")[place].startswith(f"{place}: the label '9' is not one of DFEW's")


def test_the_owners_crops_of_faces_are_used_as_they_are(tmp_path):
    root = tmp_path / "root"
    datasets.avcaffe(root)
    for person in ("aiim001", "aiim003"):
        datasets.put_frames(
            root / f"images/shorter_segments_face/{person}/task_1/{person}_task_1_001", ["1.jpg", "2.jpg"]
        )

    run(root, tmp_path / "out", "avcaffe")

    rows = read_rows(tmp_path / "out")
    assert [(row.id, row.part, row.fps) for row in rows] == [
        ("aiim001/task_1/aiim001_task_1_001", "test", 16),
        ("aiim003/task_1/aiim003_task_1_001", "train", 16),
    ]
    assert not (tmp_path / "out/clips").exists()


def test_videos_too_small_for_the_faces_place_are_listed(tmp_path):
    root = tmp_path / "root"
    datasets.voxceleb2(root)
    datasets.put_video(root / "dev/mp4/id00012/21Uxsk56VDQ/00003.mp4")

    run(root, tmp_path / "out", "voxceleb2")

    assert read_prepared(tmp_path / "out").region == Region(left=32, top=0, width=160, height=160)
    assert len(read_rows(tmp_path / "out")) == 3
    assert "64 × 48 pixels" in problems(tmp_path / "out")["id00012/21Uxsk56VDQ/00003"]


def test_ones_own_table_makes_its_own_tasks(tmp_path):
    root = tmp_path / "root"
    datasets.csv(root)
    for path in (root / "videos").iterdir():
        face_video(path, seconds=0.5)

    run(root, tmp_path / "out", "csv")

    prepared = read_prepared(tmp_path / "out")
    assert [task.kind for task in prepared.tasks] == ["expression", "dimensions", "personality"]
    assert prepared.parts == ("train", "test")
    assert read_rows(tmp_path / "out")[2].valence is None


@pytest.mark.parametrize("content", ["[1]", '{"a": {"b": 1}}', '"x"', "{", '{"a": 1}'])
def test_a_file_of_another_program_beside_the_folder_is_ignored(portraits, tmp_path, content):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/crops.json").write_text(content)

    run(portraits, tmp_path / "out", dataset="csv")

    assert len(read_rows(tmp_path / "out")) == 2


def test_a_file_whose_name_is_not_utf_8_is_listed(faces, tmp_path):
    (faces / "b.mp4").rename(faces / os.fsdecode(b"caf\xe9.mp4"))

    run(faces, tmp_path / "out")

    assert [row.id for row in read_rows(tmp_path / "out")] == ["a face.mp4"]
    assert problems(tmp_path / "out")["caf\\udce9.mp4"] == "The file's name is not UTF-8: rename the file."


def test_a_table_with_one_readable_expression_says_why_others_are_missing(portraits, tmp_path):
    (portraits / "labels.csv").write_bytes("path,expression\nface.png,peur\nface2.png,d\xe9go\xfbt\n".encode("latin-1"))

    with pytest.raises(ModelError, match=r"only the expression 'peur'.* cannot be read: .*line 3: .* as UTF-8\.$"):
        run(portraits, tmp_path / "out", dataset="csv")


def test_crema_d_is_cut_out_of_flv(tmp_path):
    pictures = scene([still()], seconds=0.5, fps=30)
    flash = write_video(tmp_path / "face.flv", pictures, fps=30, codec="flv", options={"b": "2000000"})
    for actor in (1001, 1019, 1037, 1055, 1073):
        datasets.put_video(tmp_path / f"root/VideoFlash/{actor}_DFA_ANG_XX.flv", flash)

    report = run(tmp_path / "root", tmp_path / "out", "crema-d")

    assert report.clips == dict.fromkeys("12345", 1)
    assert report.warnings[0] == "Part 1 shows 1 people, 18 were expected."


def test_shards_take_the_place_of_files(faces, tmp_path):
    out = tmp_path / "out"

    run(faces, out, shards=True)

    assert read_prepared(out).shards
    rows = read_rows(out)
    assert [row.media.rsplit("/", 1)[1] for row in rows] == ["000000", "000001"]
    assert (out / rows[0].media).parent.is_file()
    assert not (out / "clips").exists()

    before = (out / "clips.csv").read_text()
    run(faces, out, shards=True)
    assert (out / "clips.csv").read_text() == before


def test_packed_clips_can_be_added_to_and_replaced(portraits, tmp_path):
    out, table = tmp_path / "out", portraits / "labels.csv"
    shutil.copy(portraits / "face.png", portraits / "face3.png")
    table.write_text("path,part,expression\nface.png,train,anger\nface2.png,test,fear\n")
    run(portraits, out, dataset="csv", shards=True)
    before = packed(out)

    with table.open("a") as file:
        file.write("face3.png,train,fear\n")
    run(portraits, out, dataset="csv", shards=True)
    more = packed(out)
    cv2.imwrite(str(portraits / "face.png"), cv2.cvtColor(portrait(other=True), cv2.COLOR_RGB2BGR))
    run(portraits, out, dataset="csv", shards=True)
    replaced = packed(out)

    assert list(before) == ["face.png", "face2.png"]
    assert more == before | {"face3.png": before["face.png"]}
    assert {clip for clip in more if replaced[clip] != more[clip]} == {"face.png"}
    assert len(list((out / "shards").glob("*.tar"))) == len(list((out / "shards").glob("*.tar.json"))) == 2
    assert not (out / "clips").exists()


def packed(out):
    """Return the picture of each clip in the shards, as bytes."""
    pictures = {}
    for row in read_rows(out):
        shard, key = row.media.rsplit("/", 1)
        with open_sharded(out / shard, key, None) as media:
            pictures[row.id] = next(media.read(0.0)).picture().tobytes()
    return pictures


def test_a_clip_that_is_gone_is_left_out_of_packed_clips_that_are_added_to(portraits, tmp_path):
    out, table = tmp_path / "out", portraits / "labels.csv"
    run(portraits, out, dataset="csv", shards=True)
    shutil.copy(portraits / "face.png", portraits / "face3.png")
    (portraits / "face.png").unlink()
    with table.open("a") as file:
        file.write("face3.png,anger\n")

    run(portraits, out, dataset="csv", shards=True)

    assert list(packed(out)) == ["face2.png", "face3.png"]


def test_what_goes_wrong_with_one_clip_does_not_end_the_rest(faces, tmp_path, monkeypatch):
    really = jobs.crop_face

    def fail(source, target, **how):
        if source.name == "b.mp4":
            raise RuntimeError("a fault of ours")
        really(source, target, **how)

    monkeypatch.setattr(jobs, "crop_face", fail)

    run(faces, tmp_path / "out")

    assert [row.id for row in read_rows(tmp_path / "out")] == ["a face.mp4"]
    assert problems(tmp_path / "out")["b.mp4"] == f"{faces / 'b.mp4'}: RuntimeError: a fault of ours"


def test_a_process_that_is_killed_is_one_sentence():
    job = jobs.CropJob("a", Path("a"), "", None, None, KillsItsReader(), CROP, None)

    with pytest.raises(ModelError, match="A process was killed"):
        list(Processes(2).run([job], jobs.run_crop_job))


class KillsItsReader:
    """Once unpickled, there is no process any more."""

    def __reduce__(self):
        return _die, ()


def _die():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def portraits(tmp_path_factory):
    """A labelled table of two pictures, one of a face."""
    root = tmp_path_factory.mktemp("portraits")
    cv2.imwrite(str(root / "face.png"), cv2.cvtColor(portrait(), cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(root / "wall.jpg"), np.full((200, 200, 3), 90, np.uint8))
    (root / "labels.csv").write_text("path,expression\nface.png,happiness\nwall.jpg,neutral\nface2.png,neutral\n")
    shutil.copy(root / "face.png", root / "face2.png")
    return root


def test_faces_are_cut_out_of_pictures_with_the_margin_that_was_asked_for(portraits, tmp_path):
    run(portraits, tmp_path / "near", dataset="csv", margin=0.05)
    run(portraits, tmp_path / "far", dataset="csv", margin=0.3)

    near, far = ({row.id: row for row in read_rows(tmp_path / each)} for each in ("near", "far"))
    assert set(near) == set(far) == {"face.png", "face2.png"}
    assert problems(tmp_path / "near") == {"wall.jpg": f"{portraits / 'wall.jpg'} shows no face."}
    assert read_prepared(tmp_path / "near").crop.margin == 0.05
    picture, wider = (
        read_still(tmp_path / each / rows["face.png"].media) for each, rows in (("near", near), ("far", far))
    )
    assert picture.shape == wider.shape == (224, 224, 3)
    inner = cv2.resize(wider[35:-35, 35:-35], (224, 224))  # 1.1 of 1.6 box sides
    assert np.abs(picture.astype(int) - inner).mean() < 12 < np.abs(picture.astype(int) - wider).mean()


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(portraits, tmp_path):
    out = tmp_path / "out"

    with full_disk(4000), pytest.raises(ModelError, match=r"\.png cannot be written: File too large"):
        run(portraits, out, dataset="csv")
    run(portraits, out, dataset="csv")

    assert [row.id for row in read_rows(out)] == ["face.png", "face2.png"]
    for row in read_rows(out):
        assert read_still(out / row.media).shape == (224, 224, 3)


def test_a_result_that_cannot_be_written_is_one_sentence(portraits, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("model.data.prepare.write_rows", fail)

    with pytest.raises(ModelError, match="out cannot be written: No space left on device"):
        run(portraits, tmp_path / "out", dataset="csv")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_detector_that_cannot_be_loaded_is_refused_before_the_folder_is_begun(portraits, tmp_path, workers):
    with pytest.raises(ModelError, match=r"nope\.onnx cannot be loaded as a YuNet"):
        run(portraits, tmp_path / "out", dataset="csv", yunet=tmp_path / "nope.onnx", workers=workers)

    assert not (tmp_path / "out").exists()


def test_what_could_not_be_read_is_tried_again(portraits, tmp_path):
    out = tmp_path / "out"
    (portraits / "face2.png").write_bytes(b"cut off")
    run(portraits, out, dataset="csv")
    assert list(problems(out)) == ["wall.jpg", "face2.png"]

    shutil.copy(portraits / "face.png", portraits / "face2.png")
    run(portraits, out, dataset="csv")

    assert [row.id for row in read_rows(out)] == ["face.png", "face2.png"]
    assert list(problems(out)) == ["wall.jpg"]


def test_pictures_are_packed_into_shards_too(portraits, tmp_path):
    run(portraits, tmp_path / "plain", dataset="csv", margin=0.05)
    run(portraits, tmp_path / "packed", dataset="csv", margin=0.05, shards=True)

    clips = []
    for folder in (tmp_path / "plain", tmp_path / "packed"):
        prepared = read_prepared(folder)
        clip = ClipInput(frames=8, size=64, interval_s=0.16, mean=(0, 0, 0), std=(1, 1, 1))
        items = ClipDataset(
            folder, read_rows(folder), tasks=prepared.tasks, clip=clip, interval_s=0.16, mode="test", views=(1, 1)
        )
        clips.append([items[index]["pixels"] for index in range(len(items))])
    assert len(clips[0]) == len(clips[1]) == 2
    assert all(torch.equal(one, other) for one, other in zip(*clips, strict=True))


def test_pictures_of_array_files_are_packed_into_shards_too(tmp_path):
    datasets.ferplus(tmp_path / "root")
    run(tmp_path / "root", tmp_path / "plain", dataset="ferplus", margin=0.05)
    run(tmp_path / "root", tmp_path / "packed", dataset="ferplus", margin=0.05, shards=True)

    clips = []
    for folder in (tmp_path / "plain", tmp_path / "packed"):
        prepared, rows = read_prepared(folder), read_rows(folder)
        clip = ClipInput(frames=8, size=64, interval_s=0.08, mean=(0, 0, 0), std=(1, 1, 1))
        loaded = ClipDataset(folder, rows, tasks=prepared.tasks, clip=clip, interval_s=0.08, mode="test", views=(1, 1))
        clips.append([loaded[index]["pixels"] for index in range(len(loaded))])
    assert len(clips[0]) == len(clips[1]) > 0
    assert all(torch.equal(one, other) for one, other in zip(*clips, strict=True))
