"""The table of the nine datasets in docs/training.md, against the registry and the recipes."""

import re
from pathlib import Path

import pytest

from model.data.registry import DATASETS
from model.finetune import FinetuneRecipe
from model.train.config import read_recipe

PAGE = (Path(__file__).parents[4] / "docs" / "training.md").read_text(encoding="utf-8")
HEADING = "### The nine datasets at a glance"
NINE = [name for name, row in DATASETS.items() if row.tasks and name not in ("ferplus", "pictures")]


def rows(heading):
    """The table after a heading: its rows' cells by column."""
    lines = [line for line in PAGE.split(heading)[1].split("\n\n")[1].splitlines() if line.startswith("|")]
    header, _, *rest = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(header, cells, strict=True)) for cells in rest]


def test_all_nine_are_there_and_no_cell_is_empty():
    assert len(NINE) == 9
    found = rows(HEADING)
    assert [row["dataset"].removesuffix(" V2") for row in found] == [
        DATASETS[name].title.removeprefix("ChaLearn ").removesuffix(" V2") for name in NINE
    ]
    for row in found:
        assert all(cell for column, cell in row.items() if column != "not square"), row


@pytest.mark.parametrize(("name", "row"), list(zip(NINE, rows(HEADING), strict=True)), ids=NINE)
def test_counts_folds_fit_and_launch_line_are_those_of_the_code(name, row):
    dataset = DATASETS[name]
    counts = list((dataset.subjects or dataset.clips).values()) or [dataset.total]
    told = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d|\d+", row["counts checked"])]
    if name == "ravdess":
        assert told == [dataset.total, 4]
    else:
        assert told == [count for count in counts if count]

    folds = f"{len(dataset.parts)}" if dataset.protocol == "folds" else ", ".join(dataset.parts)
    assert row["folds"].startswith(folds)
    assert row["not square"] == {"squeeze": "squeezed"}.get(dataset.fit, row["not square"])
    assert (row["not square"] == "squeezed") == (dataset.fit == "squeeze")

    recipe, *overrides = row["recipe, and what to give it"].strip("`").split()
    assert read_recipe(recipe, overrides, FinetuneRecipe).data[0].folder == Path("prepared", name)
