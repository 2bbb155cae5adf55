"""The commands at services that fail, or with videos and keys that do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien.cli.commands import cli
from tests.unit.mien.analyses import analysis
from tests.unit.mien.http_service import Request, responding

RESULT = analysis().model_dump_json(exclude_unset=True)
LARGE = 1 << 26  # bytes, more than the buffers of a connection hold


def run(*arguments: object):
    return CliRunner().invoke(cli, list(map(str, arguments)))


def succeed(request: Request) -> None:
    """Respond as a service does that analyses at once."""
    if request.command == "POST":
        request.body()
        request.respond(202, RESULT)
    else:
        request.respond(204 if request.path.endswith("/events") else 200, RESULT)


def test_a_video_that_changes_while_it_is_sent_is_reported_and_the_others_are_analysed(tmp_path):
    files = [tmp_path / name for name in ("a.mp4", "growing.mp4", "shrinking.mp4", "z.mp4")]
    for number, file in enumerate(files):
        file.touch()
        os.truncate(file, LARGE + number)

    def change(file: Path, size: int) -> None:
        os.truncate(file, {"growing.mp4": size + 1, "shrinking.mp4": 1}.get(file.name, size))

    def respond(request: Request) -> None:
        if request.command == "POST":
            size = int(request.headers["Content-Length"])
            change(files[size - LARGE], size)
            if len(request.body()) == size:
                request.respond(202, RESULT)
        elif request.path.endswith("/events"):
            request.respond(204)
        else:
            request.respond(200, RESULT)

    with responding(respond) as url:
        done = run("analyze", tmp_path, "--json", "--url", url)

    said = "The file changed while it was sent. Send it again when no other program writes to it."
    assert (done.exit_code, done.stderr) == (1, f"{files[2]}: {said}\n")
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == [
        str(file) for file in files if file != files[2]
    ]


def test_a_video_that_disappears_is_reported_and_the_others_are_analysed(tmp_path):
    first, gone = tmp_path / "a.mp4", tmp_path / "b.mp4"
    for file in (first, gone):
        file.write_bytes(b"video")

    with responding(succeed) as url, pytest.MonkeyPatch.context() as patched:
        patched.setattr("mien.cli.videos.named_videos", lambda _: gone.unlink() or {first: first, gone: gone})
        done = run("analyze", tmp_path, "--json", "--url", url)

    assert (done.exit_code, done.stderr) == (1, f"{gone}: No such file or directory\n")
    assert len(done.stdout.splitlines()) == 1


def test_long_names_get_their_results_and_a_too_long_one_ends_nothing(tmp_path):
    folder, out = tmp_path / "videos", tmp_path / "results"
    folder.mkdir()
    names = ["ä" * 123 + ".mp4", "b" * 248 + ".mp4", "z.mp4"]  # with .json 255, 257 and 10 bytes
    for name in names:
        (folder / name).write_bytes(b"video")

    with responding(succeed) as url:
        done = run("analyze", folder, "--out", out, "--url", url)

    assert (done.exit_code, done.stderr) == (1, f"{folder / names[1]}: File name too long\n")
    assert sorted(file.name for file in out.iterdir() if file.suffix == ".json" and not file.name.startswith(".")) == [
        "z.mp4.json",
        "ä" * 123 + ".mp4.json",
    ]


def test_names_that_are_not_utf_8_are_printed_as_they_are(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp4")
    for file in ("a.mp4", name, "z.mp4"):
        (tmp_path / file).write_bytes(b"video")

    with responding(succeed) as url:
        done = subprocess.run(
            [sys.executable, "-c", "from mien.cli import main; main()", "analyze", tmp_path, "--csv", "--url", url],
            env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
            capture_output=True,
            check=False,
        )

    assert (done.returncode, done.stdout.count(b"caf\xe9.mp4")) == (0, 1), done.stderr


@pytest.mark.parametrize("command", [["list"], ["analyze", __file__]])
def test_a_key_that_cannot_be_sent_is_a_sentence_without_the_key(command):
    done = run(*command, "--key", "mien_secret\nmien_b")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"mien {command[0]}: The API key has a line break")
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.output


def test_an_analysis_whose_deletion_was_not_heard_of_is_deleted():
    requests = []

    def respond(request: Request) -> None:
        requests.append(request.command)
        if len(requests) > 1:
            request.fail(410, "expired")

    with responding(respond) as url:
        done = run("delete", "a1", "--url", url)

    assert (done.exit_code, done.output, requests) == (0, "", ["DELETE", "DELETE"])
