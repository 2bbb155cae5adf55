import cv2
import numpy as np
import pytest

from mien.contract.bundle import FaceCrop
from model.data.prepared import ClipRow, Prepared, write_prepared, write_rows
from model.errors import ModelError
from model.evaluation.sheet import write_sheet
from tests.videos import write_video

SHADES = {"anger": 60, "fear": 120, None: 200}
STRIP = 4 * 112  # pixels of a clip's width


@pytest.fixture
def folder(tmp_path):
    """Nine clips, most of fear, each with its expression's shade of gray."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    crop = FaceCrop(margin=0.2)
    write_prepared(folder, Prepared(name="a", tasks=(), protocol="fixed", parts=("train",), interval_s=0.1, crop=crop))
    rows = []
    for number, expression in enumerate(["anger", None, *["fear"] * 7]):
        write_video(folder / f"{number}.mp4", [np.full((48, 48, 3), SHADES[expression], np.uint8)] * 8, fps=10.0)
        rows.append(ClipRow(id=str(number), media=f"{number}.mp4", part="train", expression=expression, valence=-0.5))
    write_rows(folder, rows)
    return folder


def shades(path):
    """The shade of each clip's lower half, in the order of reading."""
    picture = cv2.imread(str(path))
    lines = picture.reshape(len(picture) // 112, 112, -1, STRIP, 3)[:, 60:]
    return [round(float(strip.mean())) for line in lines for strip in line.transpose(1, 0, 2, 3)]


def test_a_sheet_shows_some_of_each_expression(folder, tmp_path):
    write_sheet(folder, tmp_path / "new" / "sheet.png", clips=7, seed=0)

    found = shades(tmp_path / "new" / "sheet.png")
    assert len(found) == 8  # two lines of four; what is over stays black
    assert found[:7] == pytest.approx([200, 60, 120, 120, 120, 120, 120], abs=3)
    assert found[7:] == [0]


def test_the_choice_follows_the_seed(folder, tmp_path, monkeypatch):
    from model.evaluation import sheet

    chosen = []
    monkeypatch.setattr(
        sheet, "_strip", lambda pixels, row: chosen.append(row.id) or np.zeros((112, STRIP, 3), np.uint8)
    )
    for seed in (0, 0, 1, 2):
        write_sheet(folder, tmp_path / "sheet.png", clips=6, seed=seed)

    first, again, *others = (tuple(chosen[k : k + 6]) for k in range(0, 24, 6))
    assert first == again
    assert set(others) != {first}


def test_labels_are_written_on_the_pictures(folder, tmp_path):
    write_sheet(folder, tmp_path / "sheet.png", clips=3, seed=0)

    named = cv2.imread(str(tmp_path / "sheet.png"))[:16, STRIP : STRIP + 112].astype(int)
    assert (named[..., 2] - named[..., 0] > 80).any()  # yellow


def test_a_sheet_that_cannot_be_written_is_an_error(folder, tmp_path):
    (tmp_path / "sheet.png").mkdir()

    with pytest.raises(ModelError, match=r"sheet\.png cannot be written"):
        write_sheet(folder, tmp_path / "sheet.png", clips=3, seed=0)


def test_a_sheet_without_a_pictures_suffix_is_refused(folder, tmp_path):
    with pytest.raises(ModelError, match=r"sheet is no name of a picture: give one that ends in \.png"):
        write_sheet(folder, tmp_path / "sheet", clips=3, seed=0)


def test_a_folder_without_clips_is_an_error(folder, tmp_path):
    write_rows(folder, [])

    with pytest.raises(ModelError, match="has no clips"):
        write_sheet(folder, tmp_path / "sheet.png", clips=3, seed=0)
