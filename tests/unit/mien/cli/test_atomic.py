import pytest

from mien.cli.atomic import unfinished, write_atomically


def test_a_file_takes_the_targets_place_when_it_is_complete(tmp_path):
    target = tmp_path / "out.mp4"
    target.write_text("old")

    with unfinished(target) as path:
        path.write_text("new")
        assert target.read_text() == "old"

    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]
    assert target.read_text() == "new"


@pytest.mark.parametrize("older", [True, False])
def test_a_failure_leaves_no_file_and_an_older_one_as_it_was(tmp_path, older):
    target = tmp_path / "out.mp4"
    if older:
        target.write_text("old")

    def write_half():
        with unfinished(target) as path:
            path.write_text("half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_half()

    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == ({"out.mp4": "old"} if older else {})


def test_names_that_are_not_utf_8_are_written_as_they_are(tmp_path):
    write_atomically(tmp_path / "out.csv", b"caf\xe9".decode(errors="surrogateescape"))

    assert (tmp_path / "out.csv").read_bytes() == b"caf\xe9"
