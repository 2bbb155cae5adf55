"""The folders of unit tests mirror the source: `tests/unit/gateway` is of `service/gateway`, and so on."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests/unit"


def test_each_folder_of_unit_tests_has_its_folder_in_the_source():
    tested = {test.parent.relative_to(UNIT) for test in UNIT.rglob("*test*") if test.suffix in {".py", ".mjs"}}
    sources = ("", "service")

    assert [str(folder) for folder in tested if not any((ROOT / base / folder).is_dir() for base in sources)] == []
