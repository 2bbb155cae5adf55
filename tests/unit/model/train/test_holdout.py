import pytest

from mien.contract.bundle import FaceCrop
from model.data.prepared import ClipRow, Prepared
from model.errors import ModelError
from model.train.holdout import hold_out, split, without_test


def rows(*parts, subjects=5, clips=4):
    return [
        ClipRow(id=f"{part}-{s}-{c}", media="x.mp4", subject=f"{part}{s}" if subjects else "", part=part)
        for part in parts
        for s in range(subjects or 5)
        for c in range(clips)
    ]


def prepared(*parts, protocol="fixed"):
    return Prepared(name="some", tasks=(), protocol=protocol, parts=parts, interval_s=0.1, crop=FaceCrop(margin=0.2))


def ids(found):
    return [row.id for row in found]


def test_no_subject_is_in_both_parts():
    every = rows("train", subjects=20)

    training, held = hold_out(every, 0.2, seed=3)

    assert not {row.subject for row in training} & {row.subject for row in held}
    assert sorted(ids(training) + ids(held)) == sorted(ids(every))
    assert len(held) == 16  # four subjects of four clips


def test_the_draw_depends_on_the_seed_only_and_not_on_the_order_of_the_rows():
    every = rows("train", subjects=20)

    one, again, other = (hold_out(r, 0.2, s)[1] for r, s in ((every, 3), (every[::-1], 3), (every, 4)))

    assert sorted(ids(one)) == sorted(ids(again))
    assert sorted(ids(one)) != sorted(ids(other))


def test_clips_without_a_subject_are_drawn_one_by_one():
    training, held = hold_out(rows("train", subjects=0), 0.25, seed=0)

    assert (len(training), len(held)) == (15, 5)


def test_a_subject_is_left_for_training_whatever_the_share():
    training, held = hold_out(rows("train", subjects=2), 0.99, seed=0)

    assert len(training) == len(held) == 4


def test_with_folds_the_test_fold_is_in_neither_part():
    every = rows("1", "2", "3")

    training, held = split(prepared("1", "2", "3", protocol="folds"), every, test="2", share=0.2, seed=0)

    assert {row.part for row in [*training, *held]} == {"1", "3"}


def test_a_validation_part_of_the_datasets_own_is_taken():
    every = rows("train", "validation", "test")

    training, held = split(prepared("train", "validation", "test"), every, test=None, share=0.2, seed=0)

    assert {row.part for row in training} == {"train"}
    assert ids(held) == ids(rows("validation"))


def test_without_labels_the_test_part_is_left_out_as_well():
    assert {row.part for row in without_test(prepared("train", "test"), rows("train", "test"), None)} == {"train"}


@pytest.mark.parametrize(
    ("parts", "protocol", "test", "every", "said"),
    [
        (("1", "2"), "folds", None, rows("1", "2"), "name the one to test on with the key test; it has 1, 2"),
        (("1", "2"), "folds", "7", rows("1", "2"), "has no part '7' for the key test; it has 1, 2"),
        (("train", "test"), "fixed", None, rows("test"), "has no clips outside its test part 'test'"),
        (("train",), "fixed", None, rows("train", subjects=1), "no clips for validation"),
        (("train", "validation"), "fixed", None, rows("validation"), "no clips for training"),
    ],
)
def test_what_cannot_be_split_is_refused(parts, protocol, test, every, said):
    with pytest.raises(ModelError, match=said):
        split(prepared(*parts, protocol=protocol), every, test=test, share=0.2, seed=0)
