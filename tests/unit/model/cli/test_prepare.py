"""The command `mien-model prepare`."""

import sys

import pytest

from model import cli
from tests import datasets


@pytest.fixture
def invoke(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mien-model", "prepare", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return run


def test_a_summary_on_stdout_and_progress_and_warnings_on_stderr(invoke, tmp_path):
    datasets.ferv39k(tmp_path / "root")

    code, out, err = invoke("ferv39k", "--root", tmp_path / "root", "--out", tmp_path / "out", "--workers", "1")

    assert code == 0
    assert "FERV39k" in out
    assert "happiness" in out
    assert f"{tmp_path / 'out'} is ready." in out.replace("\n", "")
    assert "6/6 clips" in err
    assert "Warning: Part train has 3 clips, 31088 were expected." in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dfew", "--root", "nowhere", "--out", "out"), "nowhere is no folder"),
        (("afew", "--root", ".", "--out", "out"), "There is no dataset 'afew'"),
        (("folder", "--root", ".", "--out", "out", "--column", "clip"), "--column clip: expected our name = "),
        (
            ("folder", "--root", ".", "--out", "out", "--workers", "2", "--ray", "head:6379"),
            "--workers counts processes of this machine",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence_and_status_2(invoke, monkeypatch, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)

    code, _, err = invoke(*arguments)

    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_label_outside_the_list_is_named_with_its_place(invoke, tmp_path):
    datasets.mafw(tmp_path / "root")
    listed = tmp_path / "root/Train & Test Set/single/no_caption/set_1/test.txt"
    listed.write_text("00001.mp4 glee\n")

    code, _, err = invoke("mafw", "--root", tmp_path / "root", "--out", tmp_path / "out")

    assert code == 2
    assert f"{listed}, line 1: the label 'glee' is not one of MAFW's: anger" in err
