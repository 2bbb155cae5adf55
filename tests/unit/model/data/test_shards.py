import tarfile

import cv2
import pytest
import torch
import webdataset

from model.data import shards
from model.data.clip_dataset import ClipDataset
from model.data.media import ClipUnreadable, sample
from model.data.prepared import ClipRow, read_prepared, write_prepared
from tests.unit.model.data.conftest import numbered


@pytest.fixture
def sharded(prepared, monkeypatch):
    """A prepared folder of videos and a frame folder, as files and as shards of two clips; its rows of both."""
    monkeypatch.setattr(shards, "_CLIPS", 2)
    folder, rows = prepared(count=4)
    (folder / "frames.1").mkdir()
    for index, picture in enumerate(numbered(30), 1):
        cv2.imwrite(str(folder / f"frames.1/{index}.PNG"), picture)
    rows.append(ClipRow(id="a/b.c", media="frames.1", fps=25, part="test", expression="sadness"))
    placed = []
    for shard in shards.plan(folder, rows):
        shards.write(shard, folder)
        for key, row in shard.clips:
            placed.append(row.model_copy(update={"media": f"{shard.path.relative_to(folder)}/{key}"}))
    return folder, rows, placed


def datasets(folder, rows, placed, clip_input, mode, **how):
    files = read_prepared(folder)
    how |= {"tasks": files.tasks, "clip": clip_input(), "interval_s": 0.08, "mode": mode}
    one = ClipDataset(folder, rows, **how)
    write_prepared(folder, files.model_copy(update={"shards": True}))
    other = ClipDataset(folder, placed, **how)
    write_prepared(folder, files)
    return one, other


def same(one, other):
    return (
        torch.equal(one["pixels"], other["pixels"])
        and torch.equal(one["labels"]["expression"], other["labels"]["expression"])
        and torch.equal(one["index"], other["index"])
    )


def test_shards_hold_clips_of_one_part_in_webdatasets_form(sharded):
    folder, _, placed = sharded
    found = sorted((folder / "shards").glob("*.tar"))

    assert [path.name.rsplit("-", 1)[0] for path in found] == ["test-00000", "train-00000", "train-00001"]
    with tarfile.open(found[1]) as file:
        assert file.getnames() == ["000000.mp4", "000001.mp4"]
    with tarfile.open(found[0]) as file:
        assert len(file.getnames()) == 30
        assert file.getnames()[0].startswith("000000.")
    read = [clip["__key__"] for path in found for clip in webdataset.WebDataset(str(path), shardshuffle=False)]
    assert read == ["000000", "000000", "000001", "000000", "000001"]
    assert [row.media.rsplit("/", 1)[1] for row in placed] == ["000000", "000001", "000000", "000001", "000000"]


@pytest.mark.parametrize("mode", ["train", "test"])
def test_the_items_are_those_of_files(sharded, clip_input, mode):
    files, tars = datasets(*sharded, clip_input, mode)

    assert len(files) == len(tars)
    assert all(same(files[index], tars[index]) for index in range(len(files)))


def test_a_shard_is_not_written_again_and_never_half(sharded, monkeypatch):
    folder, rows, _ = sharded
    plan = shards.plan(folder, rows)
    written = plan[0].path.stat()
    plan[1].path.unlink()
    (folder / rows[2].media).rename(folder / "hidden.mp4")

    shards.write(plan[0], folder)
    with pytest.raises(FileNotFoundError):
        shards.write(plan[1], folder)

    assert plan[0].path.stat() == written
    assert not plan[1].path.exists()

    (folder / "hidden.mp4").rename(folder / rows[2].media)
    shards.write(plan[1], folder)
    assert plan[1].path.exists()


def test_other_clips_are_other_shards(sharded):
    folder, rows, _ = sharded

    assert shards.plan(folder, rows)[0].path != shards.plan(folder, rows[1:])[0].path


def test_what_is_not_in_a_shard_is_named(sharded):
    folder, _, placed = sharded
    shard = (folder / placed[0].media).parent

    for path, key, reason in ((shard, "7", "is not in"), (shard.with_name("x.tar"), "000000", "No such file")):
        with pytest.raises(ClipUnreadable, match=reason), shards.open_sharded(path, key, None) as media:
            sample(media, 0.0, frames=1, interval_s=0.1)
