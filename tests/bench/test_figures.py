"""The table of benchmarks: how figures are shown, read again and held against each other."""

import pytest

from tests.bench.figures import PAGE, Figure, compared, percentile, read_rows, replaced, row, shown


@pytest.mark.parametrize(
    ("figure", "line"),
    [
        (Figure("batch 8", 119.6, "clips/s", "≥ 120"), "| inference | batch 8 | 120 | clips/s | ≥ 120 (missed) |"),
        (Figure("batch 8", 120.4, "clips/s", "≥ 120"), "| inference | batch 8 | 120 | clips/s | ≥ 120 |"),
        (Figure("to 202", 10.01, "ms", "≤ 10"), "| inference | to 202 | 10 | ms | ≤ 10 (missed) |"),
        (Figure("dropped", 0, "frames"), "| inference | dropped | 0 | frames |  |"),
    ],
)
def test_a_figure_is_a_row_that_says_where_it_misses_its_target(figure, line):
    assert row("inference", figure) == line


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01234, "0.0123"), (9.876, "9.88"), (123.4, "123"), (98765.4, "98,765"), (0.000012, "1.2e-05")],
)
def test_a_number_is_read_as_it_is_shown(value, text):
    assert shown(value) == text
    assert read_rows(row("one", Figure("this", value, "s"))) == {("one", "this"): float(text.replace(",", ""))}


def test_the_table_of_a_page_is_replaced_and_the_rest_of_it_stays():
    page = PAGE.read_text(encoding="utf-8")

    made = replaced(page, [row("one", Figure("this", 2, "s"))])

    assert read_rows(made) == {("one", "this"): 2}
    assert made.splitlines()[0] == page.splitlines()[0]
    assert made.splitlines()[-1] == page.splitlines()[-1]
    assert replaced(made, [row("one", Figure("this", 2, "s"))]).count("\n") == made.count("\n")


def test_two_tables_are_held_against_each_other_row_by_row():
    old = "\n".join([row("one", Figure("same", 2, "s")), row("one", Figure("gone", 1, "s"))])
    new = "\n".join([row("one", Figure("same", 3, "s")), row("two", Figure("come", 1, "s"))])

    assert list(compared(old, new))[2:] == [
        "| one | same | 2 | 3 | 1.50 |",
        "| one | gone | 1 |  |  |",
        "| two | come |  | 1 |  |",
    ]


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1, 100)])
def test_a_percentile_is_the_smallest_value_that_this_share_does_not_exceed(share, value):
    assert percentile(range(1, 101), share) == value
