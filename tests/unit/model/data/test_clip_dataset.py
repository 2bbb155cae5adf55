import logging
import shutil

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from model.data.clip_dataset import ClipDataset
from model.data.media import ClipUnreadable
from model.errors import ModelError
from tests.unit.model.data.conftest import numbers
from tests.videos import write_video


@pytest.fixture
def dataset(prepared, clip_input):
    def make(mode, rows=None, folder=None, **how):
        if folder is None:
            folder, rows = prepared()
        from model.data.prepared import read_prepared

        tasks = how.pop("tasks", read_prepared(folder).tasks)
        how = {"clip": clip_input(), "interval_s": 0.08, "tasks": tasks} | how
        return ClipDataset(folder, rows, mode=mode, **how)

    return make


def test_an_item_has_pixels_labels_and_its_row(dataset):
    item = dataset("train")[1]

    assert item["pixels"].shape == (4, 32, 32, 3)
    assert item["pixels"].dtype == torch.uint8
    assert item["labels"]["expression"].tolist() == [0, 1]
    assert item["index"].item() == 1


def test_training_starts_anywhere_anew_in_each_epoch(dataset):
    clips = dataset("train")
    starts = set()
    for epoch in range(30):
        first, *rest = numbers(clips[epoch, 0]["pixels"])
        assert rest == [first + 2, first + 4, first + 6]
        starts.add(first)

    assert len(starts) > 10
    assert max(starts) <= 30 - 7


def test_an_item_depends_on_seed_epoch_and_index_only(dataset, prepared):
    folder, rows = prepared()

    def items(seed, epoch, order):
        clips = dataset("train", rows, folder, seed=seed, interval_s=0.04, augment=noise)
        return {index: clips[epoch, index]["pixels"] for index in order}

    one, other = items(0, 3, [0, 1, 2]), items(0, 3, [2, 1, 0])

    assert all(torch.equal(one[index], other[index]) for index in one)
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one[0], items(1, 3, [0])[0])
    assert not torch.equal(one[0], items(0, 4, [0])[0])


def noise(clip, random):
    return random.integers(0, 256, clip.shape, np.uint8)


def test_a_loaders_processes_draw_by_the_epoch_of_each_key(dataset):
    clips = dataset("train", augment=noise)
    keys = [(0, 1), (1, 1), (0, 1)]
    items = [item["pixels"] for item in DataLoader(clips, batch_size=None, sampler=keys, num_workers=1)]

    assert torch.equal(items[0], items[2])
    assert torch.equal(items[1], clips[1, 1]["pixels"])
    assert not torch.equal(items[0], items[1])


def test_an_index_alone_is_of_the_first_epoch(dataset):
    clips = dataset("train", augment=noise)

    assert torch.equal(clips[1]["pixels"], clips[0, 1]["pixels"])


def test_test_views_are_two_in_time_by_two_in_space(dataset):
    clips = dataset("test", augment=noise)  # which a test does not get

    views = [clips[index] for index in range(4, 8)]

    assert len(clips) == 3 * 4
    assert [view["index"].item() for view in views] == [1] * 4
    assert [numbers(view["pixels"]) for view in views] == [[0, 2, 4, 6]] * 2 + [[22, 24, 26, 28]] * 2


def test_the_second_view_in_space_is_the_mirror_image(dataset, prepared):
    folder, rows = prepared(count=1)
    lopsided = np.zeros((32, 32, 3), np.uint8)
    lopsided[:, :8] = 200
    write_video(folder / rows[0].media, [lopsided] * 20)
    clips = dataset("test", rows, folder)

    plain, mirrored = clips[0]["pixels"], clips[1]["pixels"]

    assert plain[0, 16, 2, 0] > 150 > plain[0, 16, -3, 0]
    assert torch.equal(mirrored, plain.flip(2))


def test_one_view_is_the_middle(dataset):
    clips = dataset("test", views=(1, 1))

    assert len(clips) == 3
    assert numbers(clips[0]["pixels"]) == [11, 13, 15, 17]


def part_of(rows, start_s, end_s):
    return [row.model_copy(update={"start_s": start_s, "end_s": end_s}) for row in rows]


def test_a_part_of_a_video_gives_frames_of_that_part_only(dataset, prepared):
    folder, rows = prepared()  # 30 frames, 25 a second
    middle = part_of(rows, 0.4, 0.88)  # frames 10 to 21

    training = dataset("train", middle, folder)
    starts = set()
    for epoch in range(40):
        first, *rest = numbers(training[epoch, 0]["pixels"])
        assert rest == [first + 2, first + 4, first + 6]
        starts.add(first)
    views = [numbers(item["pixels"]) for item in dataset("test", middle, folder, views=(2, 1))]

    assert starts == {10, 11, 12, 13}
    assert views[:2] == [[10, 12, 14, 16], [14, 16, 18, 20]]
    assert numbers(dataset("test", middle, folder, views=(1, 1))[0]["pixels"]) == [12, 14, 16, 18]


def test_what_can_only_be_one_clip_is_decoded_once_where_it_is_held(dataset, prepared, monkeypatch):
    folder, rows = prepared()
    whole = [row.model_copy(update={"start_s": 0.4, "end_s": 0.72}) for row in rows]
    longer = [row.model_copy(update={"start_s": 0.4, "end_s": 0.9}) for row in rows]
    opened = []

    def clips(rows, **how):
        made = dataset("train", rows, folder, **how)
        monkeypatch.setattr(made, "_open", lambda *named, real=made._open: opened.append(named) or real(*named))
        return made

    held, plain, drawn = clips(whole, hold=True), clips(whole), clips(longer, hold=True)
    first = held[0]["pixels"].clone()
    opened.clear()
    assert torch.equal(held[1, 0]["pixels"], first)
    assert not opened
    plain[0], drawn[0], drawn[0]
    assert len(opened) == 3


def test_augmentation_does_not_depend_on_what_is_held_already(dataset, prepared):
    folder, rows = prepared()

    def clips():
        return dataset(
            "train",
            part_of(rows, 0.4, 0.72),
            folder,
            hold=True,
            augment=lambda clip, random: clip + random.integers(200, dtype=np.uint8),
        )

    resumed, continued = clips(), clips()
    continued[0, 0]

    assert torch.equal(resumed[1, 0]["pixels"], continued[1, 0]["pixels"])


def test_what_is_held_is_decoded_once_by_all_processes_of_a_loader(dataset, prepared):
    folder, rows = prepared()
    clips = dataset("train", part_of(rows, 0.4, 0.72), folder, hold=True)

    def pixels(epoch):
        loader = DataLoader(
            clips,
            sampler=[(epoch, row) for row in range(len(rows))],
            num_workers=2,
            multiprocessing_context="fork",
        )
        return [item["pixels"] for item in loader]

    first = pixels(0)
    shutil.rmtree(folder / "clips")

    assert all(map(torch.equal, first, pixels(1)))


def test_holding_more_than_can_be_addressed_is_refused(dataset, prepared, clip_input):
    folder, rows = prepared()
    vast = clip_input(frames=512, size=512)

    with pytest.raises(ModelError, match=r"not \d+\.\d GB of memory for decoded clips: set the key hold"):
        dataset("train", part_of(rows, 0.4, 0.5) * 200_000, folder, clip=vast, tasks=(), hold=True)


def test_a_part_that_is_too_short_repeats_its_own_last_frame(dataset, prepared):
    folder, rows = prepared()
    short = part_of(rows, 0.4, 0.6)  # frames 10 to 14

    for mode in ("train", "test"):
        assert numbers(dataset(mode, short, folder)[0]["pixels"]) == [10, 12, 14, 14]


def test_a_part_without_an_end_goes_on_to_the_videos(dataset, prepared):
    folder, rows = prepared()

    views = [numbers(item["pixels"]) for item in dataset("test", part_of(rows, 0.8, None), folder, views=(2, 1))]
    beyond = dataset("test", part_of(rows, 0.8, 9.0), folder, views=(2, 1))

    assert views[:2] == [[20, 22, 24, 26], [22, 24, 26, 28]]
    assert [numbers(item["pixels"]) for item in beyond] == views


def test_the_two_views_in_space_are_decoded_once(dataset, monkeypatch):
    clips = dataset("test")
    opened = []
    really = clips._open
    monkeypatch.setattr(clips, "_open", lambda *which: opened.append(which) or really(*which))

    for index in range(8):
        clips[index]

    assert len(opened) == 4


def test_a_short_clip_repeats_its_last_frame(dataset, prepared):
    folder, rows = prepared(frames=5)

    for mode in ("train", "test"):
        assert numbers(dataset(mode, rows, folder)[0]["pixels"]) == [0, 2, 4, 4]


def test_a_clip_that_cannot_be_read_is_replaced_in_training_and_reported(dataset, prepared, caplog):
    folder, rows = prepared(count=4)
    (folder / rows[2].media).write_bytes(b"broken")
    clips = dataset("train", rows, folder)

    with caplog.at_level(logging.WARNING):
        one, other = clips[2], clips[2]

    assert one["index"].item() == other["index"].item() != 2
    assert torch.equal(one["pixels"], other["pixels"])
    assert torch.equal(one["labels"]["expression"], clips.labels["expression"][one["index"]])
    assert str(folder / rows[2].media) in caplog.text


def test_training_gives_up_where_nothing_can_be_read(dataset, prepared):
    folder, rows = prepared(count=2)
    for row in rows:
        (folder / row.media).unlink()

    with pytest.raises(ClipUnreadable, match="20 clips in a row"):
        dataset("train", rows, folder)[0]


def test_a_clip_that_cannot_be_read_is_an_error_in_a_test(dataset, prepared):
    folder, rows = prepared(count=2)
    (folder / rows[1].media).write_bytes(b"broken")
    clips = dataset("test", rows, folder)
    clips[3]

    with pytest.raises(ClipUnreadable, match=rf"{rows[1].media} cannot be read"):
        clips[4]


def test_there_is_no_item_beyond_the_last(dataset):
    clips = dataset("train")

    assert len(list(iter(clips))) == 3
    with pytest.raises(IndexError):
        clips[-1]


def test_a_folder_that_was_not_prepared_is_refused(dataset, tmp_path):
    with pytest.raises(ModelError, match=r"dataset\.json cannot be read: make the folder with `mien-model prepare`"):
        dataset("train", [], tmp_path, tasks=())


@pytest.fixture
def stills(prepared):
    """A prepared folder of a picture in a file, one of an array and one of an array of files; and its rows."""
    folder, (row, *_) = prepared(count=1)
    colours = [np.full((40, 40, 3), colour, np.uint8) for colour in ((200, 40, 40), (40, 200, 40), (40, 40, 200))]
    cv2.imwrite(str(folder / "a.png"), cv2.cvtColor(colours[0], cv2.COLOR_RGB2BGR))
    np.savez(folder / "b.npz", images=np.stack([colours[2], colours[1]]))
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(colours[2], cv2.COLOR_RGB2BGR))[1].ravel()
    np.savez(folder / "c.npz", jpegs=jpeg, offsets=np.array([0, len(jpeg)]))
    return folder, [row.model_copy(update={"id": name, "media": name}) for name in ("a.png", "b.npz/1", "c.npz/0")]


@pytest.mark.parametrize("mode", ["train", "test"])
@pytest.mark.parametrize("hold", [False, True])
def test_a_still_is_a_clip_in_which_nothing_moves(dataset, stills, mode, hold):
    folder, rows = stills
    clips = dataset(mode, rows, folder, views=(1, 1), hold=hold)

    for colour in range(3):
        pixels = clips[colour]["pixels"]
        assert pixels.shape == (4, 32, 32, 3)
        assert (pixels == pixels[0, 0, 0]).float().mean() > 0.99
        assert pixels[0, 16, 16].argmax() == colour


def test_of_a_still_that_is_held_one_picture_is_kept(dataset, stills, monkeypatch):
    folder, rows = stills
    clips = dataset("train", rows, folder, hold=True, augment=lambda clip, _: clip + np.uint8(1))
    first = clips[0]["pixels"]
    (folder / "a.png").unlink()

    assert torch.equal(clips[0]["pixels"], first)


def test_a_file_that_is_no_picture_is_an_error(dataset, stills):
    folder, rows = stills
    (folder / "a.png").write_text("no picture")

    with pytest.raises(ClipUnreadable, match=r"a\.png cannot be read: Its frame a\.png is no picture"):
        dataset("test", rows, folder)[0]
