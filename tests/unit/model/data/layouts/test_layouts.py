"""Every row of the registry, on a tiny dataset in its published layout."""

import io
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.data.dataset import ClipProblem
from model.data.layouts.chalearn import PlainUnpickler
from model.data.media import read_still
from model.data.prepared import ClipRow
from model.data.registry import DATASETS, find
from model.errors import ModelError
from tests import datasets
from tests.datasets import MAKERS, put_frames, put_text, put_video

NO_LABELS = ("id", "media", "fps", "start_s", "end_s", "subject", "part")
LABELS = [name for name in ClipRow.model_fields if name not in NO_LABELS]


def read(name, root, **changes):
    dataset = DATASETS[name]
    found = list(dataset.read(root, dataset))
    return [f for f in found if isinstance(f, ClipRow)], [f for f in found if isinstance(f, ClipProblem)]


def known(row):
    return {name: value for name in LABELS if (value := getattr(row, name)) is not None}


def test_there_is_a_maker_for_every_row():
    assert list(MAKERS) == list(DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_a_published_layout_is_read(name, tmp_path):
    expected = MAKERS[name](tmp_path)

    rows, problems = read(name, tmp_path)

    assert problems == []
    assert {row.id: (row.part, row.subject, known(row)) for row in rows} == expected
    assert {row.part for row in rows} == set(DATASETS[name].parts) | ({"test"} if name == "csv" else set())
    frames = name in ("dfew", "ferv39k", "mafw")
    for row in rows:
        assert row.fps == (DATASETS[name].fps if frames else None)
        if name in ("ferplus", "pictures"):
            assert read_still(Path(row.media)).shape[2] == 3
        else:
            assert list(tmp_path.glob(row.media.removeprefix(f"{tmp_path}/"))), row.media


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_that_is_laid_out_otherwise_is_refused_with_what_was_expected(name, tmp_path):
    if name in ("folder", "ravdess"):
        assert read(name, tmp_path) == ([], [])  # then its parts are empty
        return
    with pytest.raises(ModelError, match=str(tmp_path)):
        read(name, tmp_path)


def test_an_unknown_dataset_is_refused_with_those_that_are_known():
    with pytest.raises(ModelError, match=r"'afew'; known are dfew, .*, csv"):
        find("afew")


def test_dfew_in_its_other_folder(tmp_path):
    expected = datasets.dfew(tmp_path, frames="jpg_256")

    rows, _ = read("dfew", tmp_path)

    assert {row.id for row in rows} == set(expected)


@pytest.mark.parametrize(
    ("name", "file", "line"),
    [
        ("dfew", "EmoLabel_DataSplit/test(single-labeled)/set_2.csv", "77,8"),
        ("ferv39k", "4_setups/All_scenes/test_All.csv", "Action/Happy/0000 Joy"),
        ("mafw", "Train & Test Set/single/no_caption/set_3/test.txt", "00077.mp4 boredom"),
        ("werewolf-xl", "PAD/average.csv", "01_01_001,much,0,0"),
        ("werewolf-xl", "PAD/average.csv", "01_03_013,,0,0"),
        ("avcaffe", "ground_truths/valence.txt", "aiim003_task_2, 5"),
        ("avcaffe", "ground_truths/arousal.txt", "aiim003_task_2"),
        ("csv", "labels.csv", "videos/a.mp4,ann,train,,1.5,"),
        ("csv", "labels.csv", '"videos/a.mp4,ann,train,,,'),
        ("csv", "labels.csv", "videos/a.mp4,ann,train,sadness,-0.5,0,5"),
        ("csv", "labels.csv", f"videos/{300 * 'a'}.mp4,ann,train,,,"),
    ],
)
def test_a_bad_line_is_a_problem_with_its_file_and_line_and_the_rest_is_read(name, file, line, tmp_path):
    expected = MAKERS[name](tmp_path)
    first, *lines = (tmp_path / file).read_text().splitlines()
    header = name in ("dfew", "werewolf-xl", "csv")
    put_text(tmp_path / file, *([first, line] if header else [line, first]), *lines)

    rows, problems = read(name, tmp_path)

    place = f"{tmp_path / file}, line {2 if header else 1}"
    assert [problem.clip for problem in problems] == [place]
    assert problems[0].reason.startswith(place)
    assert {row.id for row in rows} == set(expected)


def test_a_row_that_ends_in_commas_is_read(tmp_path):
    expected = datasets.csv(tmp_path)
    header, *lines = (tmp_path / "labels.csv").read_text().splitlines()
    put_text(tmp_path / "labels.csv", header, *(f"{line},," for line in lines))

    rows, problems = read("csv", tmp_path)

    assert problems == []
    assert {row.id for row in rows} == set(expected)


@pytest.mark.parametrize(("name", "file"), [("csv", "labels.csv"), ("avcaffe", "ground_truths/valence.txt")])
def test_a_label_in_another_encoding_is_a_problem_that_asks_for_utf_8(name, file, tmp_path):
    expected = MAKERS[name](tmp_path)
    line = "videos/d.mp4,ann,train,d\xe9go\xfbt,,\n" if name == "csv" else "aiim003_task_2, d\xe9go\xfbt\n"
    with (tmp_path / file).open("ab") as table:
        table.write(line.encode("latin-1"))

    rows, [problem] = read(name, tmp_path)

    assert problem.reason == f"{problem.clip}: 'd\ufffdgo\ufffdt' is not UTF-8: save the table as UTF-8."
    assert {row.id for row in rows} == set(expected)


def test_a_table_in_utf_16_is_refused_and_asked_for_in_utf_8(tmp_path):
    datasets.csv(tmp_path)
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text(), encoding="utf-16")

    with pytest.raises(ModelError, match=r"has no column 'path' and is not UTF-8: save the table as UTF-8\.$"):
        read("csv", tmp_path)


def test_a_column_in_another_case_is_refused_with_the_right_spelling(tmp_path):
    datasets.csv(tmp_path)
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text().replace("part", "Part"))

    with pytest.raises(ModelError, match=r"the column 'Part': call it 'part', or give --column part=Part\."):
        read("csv", tmp_path)


def test_two_columns_of_one_name_are_refused(tmp_path):
    datasets.csv(tmp_path)
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text().replace("subject", "expression"))

    with pytest.raises(ModelError, match=r"has 2 columns named 'expression': rename all but one\.$"):
        read("csv", tmp_path)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("Emotion", r"the column 'emotion': call it 'Emotion', or give --column expression=emotion\."),
        ("mood", r"has no column 'mood' for expression; its columns are: path, subject, part, emotion"),
    ],
)
def test_a_column_that_was_named_and_is_not_there_is_refused(tmp_path, named, said):
    datasets.csv(tmp_path)
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text().replace("expression", "emotion"))
    dataset = DATASETS["csv"]

    with pytest.raises(ModelError, match=said):
        list(dataset.read(tmp_path, replace(dataset, columns={**dataset.columns, "expression": named})))


def test_an_emotion_outside_the_list_is_a_problem_that_names_the_file(tmp_path):
    expected = MAKERS["crema-d"](tmp_path)
    odd = put_video(tmp_path / "VideoFlash/1001_DFA_JOY_XX.flv")

    rows, problems = read("crema-d", tmp_path)

    assert problems[0].reason.startswith(f"{odd}: the label 'JOY' is not one of CREMA-D's: ANG, DIS")
    assert {row.id for row in rows} == set(expected)


@pytest.mark.parametrize(
    ("name", "spoil", "clip"),
    [
        ("dfew", lambda root: (root / "Clip/clip_224x224/00003").rename(root / "elsewhere"), "00003"),
        ("crema-d", lambda root: put_video(root / "VideoFlash/1040_copy.flv"), "1040_copy"),
        ("crema-d", lambda root: put_video(root / "VideoFlash/1092_DFA_ANG_XX.flv"), "1092_DFA_ANG_XX"),
        ("ravdess", lambda root: put_video(root / "Actor_01/readme.mp4"), "readme"),
        ("werewolf-xl", lambda root: (root / "Werewolf-XL_Speaker_Video/07/07_03_012.mp4").unlink(), "07_03_012"),
        (
            "avcaffe",
            lambda root: put_video(root / "videos/shorter_segments/aiim004/task_9/x.avi"),
            "videos/shorter_segments/aiim004/task_9/x.avi",
        ),
        ("chalearn", lambda root: (root / "test-1/testJ4GQm9j0JZ0.001.mp4").unlink(), "testJ4GQm9j0JZ0.001.mp4"),
        ("csv", lambda root: (root / "videos/b.mp4").unlink(), "videos/b.mp4"),
        (
            "mafw",
            lambda root: put_text(root / "Train & Test Set/single/no_caption/set_2/train.txt", "00099.mp4 fear"),
            "00099",
        ),
    ],
)
def test_what_is_missing_or_odd_is_a_problem_and_the_rest_is_read(name, spoil, clip, tmp_path):
    expected = MAKERS[name](tmp_path)
    spoil(tmp_path)

    rows, problems = read(name, tmp_path)

    assert [problem.clip for problem in problems] == [clip]
    assert {row.id for row in rows} == set(expected) - {clip, clip.removesuffix(".mp4") if name == "chalearn" else clip}


def test_a_table_without_a_column_says_which_it_has(tmp_path):
    MAKERS["werewolf-xl"](tmp_path)
    put_text(tmp_path / "PAD/average.csv", "Video,A,V,D", "01_03_012,1,1,1")

    with pytest.raises(ModelError, match=r"has the columns VideoName, .*average\.csv has: Video, A, V, D\. .*--column"):
        read("werewolf-xl", tmp_path)


def test_werewolf_xls_folders_of_aligned_faces_are_read_where_there_are_no_videos(tmp_path):
    expected = datasets.werewolf_xl(tmp_path)
    shutil.rmtree(tmp_path / "Werewolf-XL_Speaker_Video")
    for clip in expected:
        put_frames(tmp_path / f"features/{clip}_aligned", ["frame_det_00_000001.jpg"])

    rows, problems = read("werewolf-xl", tmp_path)

    assert problems == []
    assert {row.id for row in rows} == set(expected)
    assert {row.fps for row in rows} == {25}


def test_chalearns_labels_are_found_in_the_folders_of_public_copies_with_numpys_numbers(tmp_path):
    expected = datasets.chalearn(tmp_path)
    for part, folder in (("training", "train"), ("validation", "val"), ("test", "test")):
        name = f"annotation_{part}.pkl"
        scores = pickle.loads((tmp_path / name).read_bytes())
        kinds = (np.float64, np.float32, np.dtype(">f8").type)
        numbers = {
            trait: {clip: kinds[index % 3](score) for index, (clip, score) in enumerate(of.items())}
            for trait, of in scores.items()
        }
        (tmp_path / name).unlink()
        put_text(tmp_path / f"{folder}-annotation" / name).write_bytes(pickle.dumps(numbers, protocol=2))

    rows, problems = read("chalearn", tmp_path)

    assert problems == []
    assert {row.id for row in rows} == set(expected)
    for row in rows:
        assert row.neuroticism == pytest.approx(0.4)


@pytest.mark.parametrize("protocol", [2, 4])
def test_numpys_other_types_are_refused(tmp_path, protocol):
    for value in (np.array([1.0]), np.str_("x"), np.datetime64("2020-01-01"), np.dtype(object)):
        with pytest.raises(pickle.UnpicklingError, match=r"it (names|holds)"):
            PlainUnpickler(io.BytesIO(pickle.dumps(value, protocol)), encoding="latin-1").load()


class Attack:
    def __init__(self, how, *arguments):
        self.how, self.arguments = how, arguments

    def __reduce__(self):
        return self.how, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_code_is_refused_and_runs_none(tmp_path, protocol):
    MAKERS["chalearn"](tmp_path)
    target = tmp_path / "made"
    attack = {"openness": Attack(exec, f"open({str(target)!r}, 'w')")}
    (tmp_path / "annotation_test.pkl").write_bytes(pickle.dumps(attack, protocol))

    with pytest.raises(ModelError, match=r"annotation_test\.pkl is not the dataset's pickle .*names .*exec"):
        read("chalearn", tmp_path)

    assert not target.exists()


def test_only_plain_things_are_unpickled(tmp_path):
    plain = {"a": [1, 2.5, True, None, (b"x", "y")], "b": {"c": {1, 2}}}
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps(plain, protocol=4))
    with path.open("rb") as file:
        assert PlainUnpickler(file).load() == plain

    for bad in (Attack(dict), Attack(bytearray, b"x"), print, ValueError):
        path.write_bytes(pickle.dumps(bad))
        with path.open("rb") as file, pytest.raises(pickle.UnpicklingError):
            PlainUnpickler(file).load()


@pytest.mark.parametrize(
    "content",
    [b"", b"no pickle", pickle.dumps({"openness": {}})[:-3], pickle.dumps([1]), pickle.dumps({"openness": {"a": 0}})],
)
def test_a_broken_pickle_is_refused(tmp_path, content):
    MAKERS["chalearn"](tmp_path)
    (tmp_path / "annotation_test.pkl").write_bytes(content)

    with pytest.raises(ModelError, match=r"annotation_test\.pkl"):
        read("chalearn", tmp_path)


def test_a_score_that_is_no_share_is_a_problem_of_its_clip(tmp_path):
    MAKERS["chalearn"](tmp_path)
    traits = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
    (tmp_path / "annotation_test.pkl").write_bytes(pickle.dumps({trait: {"a.mp4": 1.5} for trait in traits}))

    _, [problem] = read("chalearn", tmp_path)

    assert problem.reason.startswith(f"{tmp_path}/annotation_test.pkl: openness of a.mp4 is 1.5")


def test_of_a_picture_in_two_parts_the_one_for_training_is_left_out_and_reported(tmp_path):
    expected = datasets.ferplus(tmp_path)
    training, validation = (dict(np.load(tmp_path / f"ferplus_{number}.npz")) for number in (0, 1))
    training["images"][1] = validation["images"][2]
    np.savez(tmp_path / "ferplus_0.npz", **training)

    rows, problems = read("ferplus", tmp_path)

    assert {row.id for row in rows} == expected.keys() - {"ferplus_0/1"}
    assert [(one.clip, one.reason) for one in problems] == [
        ("ferplus_0/1", "The part validation has the same picture.")
    ]


def test_pictures_that_most_raters_gave_no_expression_are_left_out_and_reported(tmp_path):
    datasets.ferplus(tmp_path)
    arrays = dict(np.load(tmp_path / "ferplus_0.npz"))
    arrays["votes"] = np.array([[2, 0, 0, 0, 0, 0, 0, 8, 0, 0], [0, 0, 0, 3, 0, 0, 0, 0, 0, 7], [1] * 10], np.uint8)
    np.savez(tmp_path / "ferplus_0.npz", **arrays)

    rows, problems = read("ferplus", tmp_path)

    assert [row.part for row in rows] == ["validation"] * 3
    assert [(problem.clip, problem.reason) for problem in problems] == [
        ("ferplus_0/0", "Raters most often chose contempt."),
        ("ferplus_0/1", "Raters most often chose NF."),
        ("ferplus_0/2", "No two raters agree."),
    ]


def test_groups_of_another_form_are_a_problem_that_says_the_right_one(tmp_path):
    expected = datasets.csv(tmp_path)
    put_text(
        tmp_path / "labels.csv",
        "path,expression,groups",
        "videos/a.mp4,anger,skin=dark age=older",
        "videos/b.mp4,fear,older",
    )

    [row], [problem] = read("csv", tmp_path)

    assert row.id in expected
    assert row.groups == "skin=dark age=older"
    place = f"{tmp_path / 'labels.csv'}, line 3"
    assert problem.clip == place
    assert problem.reason.startswith(f"{place}: groups cannot be 'older'. Expected: Groups that the person belongs to")
    assert "`skin=dark age=older`" in problem.reason


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("ferplus", {"votes": None}, r"has no array `votes`; it has: images, part, columns\."),
        ("ferplus", {"columns": np.array([name.upper() for name in datasets.EXPRESSIONS])}, "`columns` lacks 'hap"),
        ("ferplus", {"columns": np.array([*datasets.EXPRESSIONS, "x"])}, "`columns` does not name each column of"),
        ("ferplus", {"votes": np.ones(3, np.uint8)}, "`columns` does not name each column of `votes`"),
        (
            "ferplus",
            {"images": np.zeros((2, 48, 48), np.uint8)},
            "different numbers of pictures: `part` of 3, `images` of 2",
        ),
        ("ferplus", {"votes": np.ones((4, 10), np.uint8)}, "different numbers of pictures: .*`votes` of 4"),
        ("pictures", {"person": None}, "has no array `person`; it has: jpegs, offsets, labels, part"),
        ("pictures", {"offsets": np.arange(3)}, "different numbers of pictures: .*`offsets` of 2"),
    ],
)
def test_a_file_of_arrays_that_do_not_fit_together_is_refused(tmp_path, name, change, said):
    MAKERS[name](tmp_path)
    path = tmp_path / f"{name}_0.npz"
    arrays = dict(np.load(path)) | change
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})

    with pytest.raises(ModelError, match=f"^{path}.*{said}"):
        read(name, tmp_path)
