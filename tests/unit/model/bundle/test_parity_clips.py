import numpy as np
import pytest

from mien.contract.bundle import ExpressionTask
from model.bundle import parity_clips
from model.bundle.parity_clips import prepared_clips, random_clips
from model.data.prepared import ClipRow, Prepared, write_prepared, write_rows
from model.errors import ModelError
from tests.videos import write_video


@pytest.fixture(scope="module")
def clip(facts):
    return facts["clip"]


@pytest.fixture
def prepared(facts, tmp_path):
    """Make a prepared folder of still videos, each a shade of grey brighter than the one before."""

    def make(*parts):
        tasks = (ExpressionTask(labels=("happiness", "sadness")),)
        about = {
            "name": "grey",
            "tasks": tasks,
            "protocol": "fixed",
            "parts": tuple(dict.fromkeys(parts)) or ("train",),
        }
        write_prepared(tmp_path, Prepared(**about, interval_s=0.1, crop=facts["crop"]))
        rows = []
        for index, part in enumerate(parts):
            write_video(tmp_path / f"{index}.mp4", [np.full((32, 32, 3), 20 * index, np.uint8)] * 20, fps=25)
            rows.append(ClipRow(id=str(index), media=f"{index}.mp4", part=part, expression="happiness"))
        write_rows(tmp_path, rows)
        return tmp_path

    return make


def shades(clips):
    return [round(float(pixels.mean()) / 20) for batch in clips.batches for pixels in batch]


def test_the_clips_of_the_validation_part_are_taken(prepared, clip):
    clips = prepared_clips(prepared("train", "validation", "test", "validation"), clip)

    assert (clips.data, shades(clips)) == ("the part validation of grey", [1, 3])


def test_all_clips_are_taken_where_there_is_no_validation_part(prepared, clip):
    clips = prepared_clips(prepared("1", "2", "1", "2", "1"), clip)

    assert (clips.data, shades(clips)) == ("grey", [0, 1, 2, 3, 4])


def test_of_many_clips_some_are_taken_evenly(prepared, clip, monkeypatch):
    monkeypatch.setattr(parity_clips, "CLIPS", 3)

    assert shades(prepared_clips(prepared(*["validation"] * 9), clip)) == [0, 3, 6]


def test_a_dataset_without_clips_is_an_error(prepared, clip):
    with pytest.raises(ModelError, match="no clips to compare on"):
        prepared_clips(prepared(), clip)


def test_random_patterns_are_many_different_clips_and_always_the_same(clip):
    one, two = (np.concatenate(list(random_clips(clip).batches)) for _ in range(2))

    assert one.shape == (200, *clip.shape)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, two)
    assert np.std(one.mean(axis=(1, 2, 3, 4))) > 30
