import numpy as np
import pytest

from mien.contract.bundle import ExpressionTask, FaceCrop
from model.data.prepared import ClipRow, Prepared, Region, read_prepared, read_rows, write_prepared, write_rows
from model.errors import ModelError

PREPARED = Prepared(
    name="mine",
    tasks=(ExpressionTask(labels=("a", "b")),),
    protocol="folds",
    parts=("1", "2"),
    interval_s=0.08,
    crop=FaceCrop(margin=0.2),
    region=Region(left=1, top=2, width=3, height=4),
)
ROWS = [
    ClipRow(id="a,b", media="x/ä.mp4", part="1", expression="a", valence=0.0),
    ClipRow(id="c", media="frames", fps=12.5, subject="7", part="2"),
]


def test_what_is_written_is_read(tmp_path):
    write_prepared(tmp_path, PREPARED)
    write_rows(tmp_path, ROWS)

    assert read_prepared(tmp_path) == PREPARED
    assert read_rows(tmp_path) == ROWS


def test_a_region_is_cut_out():
    picture = np.arange(10 * 10 * 3, dtype=np.uint16).astype(np.uint8).reshape(10, 10, 3)

    assert (PREPARED.region.of(picture) == picture[2:6, 1:4]).all()


@pytest.mark.parametrize("read", [read_prepared, read_rows])
def test_a_missing_file_says_how_to_make_it(read, tmp_path):
    with pytest.raises(ModelError, match=f"{tmp_path}.* cannot be read: make the folder with `mien-model prepare`"):
        read(tmp_path)


def test_a_wrong_key_or_line_is_named(tmp_path):
    (tmp_path / "dataset.json").write_text(PREPARED.model_dump_json().replace('"interval_s":0.08', '"interval_s":-1'))
    write_rows(tmp_path, ROWS)
    table = tmp_path / "clips.csv"
    table.write_text(table.read_text().replace("12.5", "fast"))

    with pytest.raises(ModelError, match=r"dataset\.json .*: interval_s: "):
        read_prepared(tmp_path)
    with pytest.raises(ModelError, match=r"clips\.csv, line 3: fps: "):
        read_rows(tmp_path)
