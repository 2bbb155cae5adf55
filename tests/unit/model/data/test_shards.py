import http.server
import os
import tarfile
import threading
from operator import itemgetter
from pathlib import Path

import cv2
import pytest
import torch
import webdataset
from obstore.exceptions import NotFoundError
from torch.utils.data import DataLoader

from model.data import shards
from model.data.clip_dataset import ClipDataset
from model.data.media import ClipUnreadable, sample
from model.data.object_store import ObjectStore
from model.data.prepared import ClipRow, read_prepared, write_prepared
from model.errors import ModelError
from model.train.plan import Plan, PlannedBatches
from tests.s3 import s3_bucket
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


def datasets(folder, rows, placed, clip_input, mode, *, store=None):
    files = read_prepared(folder)
    how = {"tasks": files.tasks, "clip": clip_input(), "interval_s": 0.08, "mode": mode}
    one = ClipDataset(folder, rows, **how)
    write_prepared(folder, files.model_copy(update={"shards": True}))
    other = ClipDataset(folder, placed, store=store, **how)
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


class _Ranges(http.server.BaseHTTPRequestHandler):
    """Object storage over HTTP: answers with parts of files, and notes which."""

    folder: Path
    asked: list[tuple[str, str]]

    def do_GET(self):
        self.asked.append((self.path, self.headers["Range"]))
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        whole = (self.folder / self.path.removeprefix("/")).read_bytes()
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(whole)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(whole[first : last + 1])

    def log_message(self, *_):
        pass


@pytest.fixture
def stored(sharded, tmp_path):
    """The shards of `sharded` moved to object storage: its URL, and what is asked of it."""
    folder, *_ = sharded
    there = tmp_path / "elsewhere"
    there.mkdir()
    for shard in (folder / "shards").glob("*.tar"):
        shard.rename(there / shard.name)
    handler = type("Handler", (_Ranges,), {"folder": there, "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler.asked
        server.shutdown()


def test_nodes_that_read_object_storage_read_each_clip_once(sharded, stored, clip_input):
    url, asked = stored
    files, tars = datasets(*sharded, clip_input, "train", store=ObjectStore(url))
    epochs = 2
    plan = Plan(clips=len(tars), batch=4, batch_on_device=1, processes=2, epochs=epochs, warmup_epochs=0, seed=0)
    read = []
    for node in range(2):
        loader = DataLoader(tars, batch_sampler=PlannedBatches(plan, node, 0), collate_fn=itemgetter(0))
        read += [(int(item["index"]), item["pixels"]) for item in loader]

    assert len(read) == len(asked) == epochs * plan.steps_per_epoch * plan.batch
    first_epoch = [place for place in asked if asked.count(place) <= epochs]
    assert len(first_epoch) == len(asked)  # no clip more than once an epoch
    expected = [files[epoch, index]["pixels"] for epoch in range(epochs) for index in range(len(files))]
    assert all(any(torch.equal(pixels, one) for one in expected) for _, pixels in read)


def test_shards_in_a_bucket_are_read_like_files(sharded, clip_input, monkeypatch):
    folder, *_ = sharded
    with s3_bucket() as bucket:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        for shard in (folder / "shards").glob("*.tar"):
            bucket.put(f"faces/{shard.name}", shard.read_bytes())
        files, tars = datasets(*sharded, clip_input, "test", store=ObjectStore(f"s3://{bucket.name}/faces"))
        expected = [files[index] for index in range(len(files))]
        for shard in (folder / "shards").glob("*.tar"):
            shard.unlink()

        found = [tars[index] for index in range(len(tars))]

    assert all(same(*pair) for pair in zip(found, expected, strict=True))


def test_what_a_store_does_not_give_is_named(sharded, monkeypatch):
    def fails(*_, **__):
        raise NotFoundError("Object at location x not found")

    monkeypatch.setattr("model.data.object_store.obstore.get_range", fails)
    folder, _, placed = sharded

    with (
        pytest.raises(ClipUnreadable, match=r"000000 cannot be read: memory:///faces does not give it: Object at"),
        shards.open_sharded((folder / placed[0].media).parent, "000000", None, ObjectStore("memory:///faces")),
    ):
        pass


def test_a_process_forked_after_reading_raises_and_does_not_hang(monkeypatch):
    monkeypatch.setattr("model.data.object_store._process", lambda: os.getpid() + 1)

    with pytest.raises(RuntimeError, match="was read before this process was forked"):
        ObjectStore("memory:///").read("x", 0, 1)


def test_a_folder_without_shards_is_not_looked_for_elsewhere(prepared, clip_input):
    folder, rows = prepared()

    with pytest.raises(ModelError, match="has no shards to read from s3://bucket: prepare it with --shards"):
        ClipDataset(
            folder, rows, tasks=(), clip=clip_input(), interval_s=0.08, mode="train", store=ObjectStore("s3://bucket")
        )


def test_other_clips_are_other_shards(sharded):
    folder, rows, _ = sharded

    assert shards.plan(folder, rows)[0].path != shards.plan(folder, rows[1:])[0].path


def test_what_is_not_in_a_shard_is_named(sharded):
    folder, _, placed = sharded
    shard = (folder / placed[0].media).parent

    for path, key, reason in ((shard, "7", "is not in"), (shard.with_name("x.tar"), "000000", "No such file")):
        with pytest.raises(ClipUnreadable, match=reason), shards.open_sharded(path, key, None) as media:
            sample(media, 0.0, frames=1, interval_s=0.1)
