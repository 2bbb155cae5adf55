"""The commands on the service that `Service` stands for."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from mien.cli.commands import cli
from mien.cli.progress import Bars
from mien.client import Mien
from mien.contract.errors import NoFrames, NoSuchAnalysis, Problem
from mien.contract.events import Began, Ended, FaceWindow
from mien.contract.jobs import State
from mien.contract.live_messages import LiveScored
from mien.contract.results import Progress
from tests.unit.mien.analyses import analysis, face, window
from tests.unit.mien.cli.terminal import screen

RESULT = analysis(face(0, window(0, valence=0.5), window(1, "neutral", valence=-0.5)), warnings=["Raise start_s."])


class Service:
    """What the commands use of `Mien`; videos are named after what they do."""

    def __init__(self) -> None:
        self.analyzed: list[str] = []
        self.deleted: list[str] = []
        self.ended = Ended(state="succeeded")

    def __call__(self, url: str, *, key: str | None = None) -> Service:
        return self

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def analyze(self, video, options, on_progress):
        name = Path(video).name
        self.analyzed.append(name)
        on_progress(Progress(done_s=1, total_s=2))
        if name.startswith("bad"):
            raise NoFrames("Choose another start_s.")
        if name.startswith("stop"):
            raise KeyboardInterrupt
        return analysis() if name.startswith("empty") else RESULT

    def live(self, frames, options):
        for _, picture in frames:
            if picture == b"face":
                yield LiveScored(window=FaceWindow(track=0, start_s=0, end_s=1, valence=0.5))

    def analyses(self, state):
        yield from [RESULT, RESULT][: 1 if state is State.RUNNING else 2]

    def get(self, analysis_id):
        if analysis_id == "none":
            raise NoSuchAnalysis("There is no such analysis.")
        problem = Problem(code="no_frames", title="T", detail="Choose another start_s.")
        states = {
            "running": analysis(state="running", faces=None, video=None),
            "failed": analysis(state="failed", faces=None, video=None, error=problem),
        }
        return states.get(analysis_id, RESULT)

    def watch(self, analysis_id):
        yield Began(attempt=1)
        yield FaceWindow(track=0, start_s=0, end_s=1, valence=0.5)
        if analysis_id == "stop":
            raise KeyboardInterrupt
        yield self.ended

    def delete(self, analysis_id):
        self.get(analysis_id)
        self.deleted.append(analysis_id)


@pytest.fixture
def service(monkeypatch) -> Service:
    fake = Service()
    monkeypatch.setattr("mien.client.Mien", fake)
    return fake


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one.mp4", "sub/two.mp4", "empty.mp4"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).write_bytes(b"video")
    return tmp_path / "videos"


def run(*arguments: object, **more):
    return CliRunner().invoke(cli, list(map(str, arguments)), **more)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_table_speaks_of_persons_and_warnings_of_flags(service, folder):
    done = run("analyze", folder / "one.mp4")
    assert done.exit_code == 0
    assert "Person 1" in done.stdout
    assert "track" not in done.stdout
    assert done.stderr == f"{folder / 'one.mp4'}: Raise --start.\n"


def test_a_table_has_the_path_of_its_video_as_it_was_given(service, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = ["a [take2] :smile: [b].mp4", "sub/one.mp4", "one.mp4"]
    for name in names:
        Path(name).write_bytes(b"video")

    done = run("analyze", *names)

    assert done.exit_code == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if ".mp4" in line] == [
        f"{name}: 10.0 s, 640×360" for name in names
    ]


def test_csv_has_a_row_for_a_file_without_a_face(service, folder):
    done = run("analyze", folder, "--csv")
    assert [(Path(row["file"]).name, row["person"], row["note"]) for row in rows(done.stdout)] == [
        ("empty.mp4", "", "no face found"),
        ("one.mp4", "1", ""),
        ("one.mp4", "1", ""),
        ("two.mp4", "1", ""),
        ("two.mp4", "1", ""),
    ]
    assert done.stderr == f"{folder / 'empty.mp4'}: no face was found.\n"


def test_errors_speak_of_flags(service, folder):
    (folder / "bad.mp4").write_bytes(b"video")
    done = run("analyze", folder / "bad.mp4")
    assert (done.exit_code, done.stderr) == (1, f"{folder / 'bad.mp4'}: Choose another --start.\n")


def test_an_empty_file_is_not_sent(service, tmp_path):
    (tmp_path / "zero.mp4").touch()
    done = run("analyze", tmp_path / "zero.mp4")
    assert (done.exit_code, service.analyzed) == (1, [])
    assert "The file is empty." in done.stderr


@pytest.mark.parametrize("command", [["analyze"], ["report", "--out", "r.html"]])
def test_a_url_is_called_one(service, command):
    done = run(*command, "https://example.org/clip.mp4")
    assert done.exit_code == 2
    assert "is a URL" in done.stderr
    assert "curl" in done.stderr


def test_standard_input_is_a_video(service):
    done = run("analyze", "-", "--json", input=b"video")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["file"] == "-"
    assert run("analyze", "-", "other.mp4").exit_code == 2


def test_a_folder_of_results_is_continued(service, folder, tmp_path):
    out = tmp_path / "out"
    (folder / "bad.mp4").write_bytes(b"video")

    first = run("analyze", folder, "--out", out)
    assert (first.exit_code, first.stdout) == (1, "")
    found = sorted(str(file.relative_to(out)) for file in out.rglob("*.json") if not file.name.startswith("."))
    assert found == ["empty.mp4.json", "one.mp4.json", "sub/two.mp4.json"]
    assert json.loads((out / "one.mp4.json").read_text())["file"] == str(folder / "one.mp4")

    service.analyzed.clear()
    again = run("analyze", folder, "--out", out)
    assert service.analyzed == ["bad.mp4"]
    assert "3 of 4 videos" in again.stderr

    later = (out / "one.mp4.json").stat().st_mtime + 5
    os.utime(folder / "one.mp4", (later, later))
    service.analyzed.clear()
    run("analyze", folder, "--out", out)
    assert sorted(service.analyzed) == ["bad.mp4", "one.mp4"]

    other = run("analyze", folder, "--out", out, "--faces", "1")
    assert other.exit_code == 2
    assert "other options" in other.stderr


def test_a_run_without_a_result_does_not_bind_the_folder_to_its_options(service, folder, tmp_path):
    out = tmp_path / "out"
    (folder / "bad.mp4").write_bytes(b"video")

    assert run("analyze", folder / "bad.mp4", "--out", out).exit_code == 1
    assert run("analyze", folder / "one.mp4", folder / "sub" / ".." / "one.mp4", "--out", out).exit_code == 2
    assert run("analyze", folder / "one.mp4", "--out", out, "--faces", "1").exit_code == 0


def test_a_folder_of_csv_files(service, folder, tmp_path):
    assert run("analyze", folder, "--csv", "--out", tmp_path / "out").exit_code == 0
    assert len(rows((tmp_path / "out" / "sub" / "two.mp4.csv").read_text())) == 2
    assert rows((tmp_path / "out" / "empty.mp4.csv").read_text())[0]["note"] == "no face found"


def test_two_videos_of_one_name_do_not_overwrite_each_others_results(service, tmp_path):
    for name in ("a/x.mp4", "b/x.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"video")
    done = run("analyze", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "same name" in done.stderr
    assert run("analyze", tmp_path, "--out", tmp_path / "out").exit_code == 0


def test_the_report_is_one_page_that_needs_nothing_else(service, folder, tmp_path):
    done = run("report", folder, "--out", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert (done.exit_code, done.stdout) == (0, "")
    assert page.count("<section>") == 3
    assert "Person 1" in page
    assert "<svg" in page
    for word in ("<script", "src=", "@import", "url("):
        assert word not in page


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["report", "--out", "."], "--out: . is a folder; name a file"),
        (["analyze", "--out", "one.mp4"], "--out: one.mp4 is a file; name a folder"),
        (["analyze", "--annotate", "taken.mp4"], "--annotate: taken.mp4 is a folder; name a file"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(service, folder, monkeypatch, command, said):
    monkeypatch.chdir(folder)
    (folder / "taken.mp4").mkdir()
    done = run(*command, "one.mp4")
    assert (done.exit_code, service.analyzed) == (2, [])
    assert said in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize("command", ["analyze", "report"])
def test_ctrl_c_writes_what_is_finished(service, folder, tmp_path, command):
    (folder / "stop.mp4").write_bytes(b"video")
    target = ["--csv"] if command == "analyze" else ["--out", tmp_path / "report.html"]
    done = run(command, folder / "one.mp4", folder / "stop.mp4", *target)
    assert done.exit_code == 130
    written = done.stdout if command == "analyze" else (tmp_path / "report.html").read_text()
    assert "one.mp4" in written


def test_list_and_its_states(service):
    assert len(run("list").stdout.splitlines()) == 2
    assert "a1" in run("list").stdout
    assert "succeeded" in run("list").stdout
    assert json.loads(run("list", "--state", "running", "--json").stdout)["id"] == "a1"
    assert len(run("list", "--limit", "1").stdout.splitlines()) == 1
    wrong = run("list", "--state", "done")
    assert wrong.exit_code == 2
    assert "queued, running, succeeded, failed" in wrong.stderr


def test_get_shows_an_analysis_in_each_state(service):
    assert "Person 1" in run("get", "a1").stdout
    assert len(rows(run("get", "a1", "--csv").stdout)) == 2
    assert json.loads(run("get", "a1", "--json").stdout)["id"] == "a1"
    assert "running" in run("get", "running").stdout
    unfinished = run("get", "running", "--csv")
    assert (unfinished.exit_code, unfinished.stdout) == (1, "")
    assert "running" in unfinished.stderr
    failed = run("get", "failed")
    assert failed.exit_code == 1
    assert "Choose another --start." in failed.stderr
    none = run("get", "none")
    assert (none.exit_code, none.stderr) == (
        1,
        "mien get: No analysis has this id. `mien list` shows the ids that there are.\n",
    )


def test_watch_prints_windows_and_ends_as_the_analysis_does(service):
    done = run("watch", "a1")
    assert done.exit_code == 0
    assert "Person 1" in done.stdout
    events = [json.loads(line)["event"] for line in run("watch", "a1", "--json").stdout.splitlines()]
    assert events == ["began", "window", "ended"]
    assert run("watch", "failed").exit_code == 1
    service.ended = Ended(state="cancelled")
    assert run("watch", "a1").exit_code == 1


def test_ctrl_c_ends_watching_and_not_the_analysis(service):
    done = run("watch", "stop")
    assert (done.exit_code, service.deleted) == (130, [])
    assert "Person 1" in done.stdout


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_live_analysis_without_a_face_says_so(service, monkeypatch, options):
    monkeypatch.setattr("service.standalone.camera.pictures", lambda source: iter([(0.0, source.encode())]))

    nobody, someone = run("live", "nobody", *options), run("live", "face", *options)

    assert (nobody.exit_code, nobody.stdout, nobody.stderr) == (0, "", "nobody: no face was found.\n")
    assert (someone.exit_code, len(someone.stdout.splitlines()), someone.stderr) == (0, 1, "")


def test_delete_erases_what_is_there_and_tells_the_rest(service):
    done = run("delete", "a1", "none", "a2")
    assert (done.exit_code, service.deleted) == (1, ["a1", "a2"])
    assert done.stderr == "none: No analysis has this id. `mien list` shows the ids that there are.\n"


@contextlib.contextmanager
def on_a_terminal(monkeypatch) -> Iterator[list[str]]:
    """Make stdout and stderr one terminal; give what it showed at the end."""
    ours, theirs = pty.openpty()
    said: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(ours, 65536):
                said.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    shown: list[str] = []
    with open(theirs, "w", encoding="utf-8", closefd=False) as terminal, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", terminal)
        patched.setattr(sys, "stderr", terminal)
        patched.setenv("COLUMNS", "100")
        patched.setenv("TERM", "xterm")
        yield shown
    os.close(theirs)
    reader.join()
    os.close(ours)
    shown += screen(b"".join(said).decode())


def test_bars_neither_cover_nor_mix_with_tables(service, folder, monkeypatch):
    with on_a_terminal(monkeypatch) as shown:
        typer.main.get_command(cli)(["analyze", str(folder)], standalone_mode=False)

    text = "\n".join(shown)
    assert "━━━━ " not in text.replace("┏", "").replace("┓", "")
    assert [line for line in shown if line.startswith("└") and line.endswith("┘")] != []
    assert text.count("└") == 2  # the bottom of each table
    assert text.count("Person 1") == 2
    assert "Next: mien report" in text


def test_bars_show_a_videos_name_as_it_is(capsys):
    bars = Bars(1)
    with bars.video("a [take2].mp4"):
        Console(width=100).print(bars._bars)

    assert "a [take2].mp4" in capsys.readouterr().out


def test_a_missing_package_is_an_error_before_the_work(service, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "service.standalone.annotate", None)
    done = run("analyze", folder / "one.mp4", "--annotate", folder / "out.mp4")
    assert (done.exit_code, service.analyzed) == (2, [])
    assert "pip install -e '.[serve]'" in done.stderr


def test_an_analysis_is_passed_on_if_its_video_cannot_be_annotated(service, folder):
    done = run("analyze", folder, "--json", "--annotate", folder / "seen")

    assert done.exit_code == 1
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == [
        str(folder / name) for name in ("empty.mp4", "one.mp4", "sub/two.mp4")
    ]
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == [
        str(folder / "seen" / name) for name in ("empty.mp4", "one.mp4", "two.mp4")
    ]


def test_a_video_whose_drawing_failed_is_tried_again(service, folder, tmp_path, monkeypatch):
    command = ["analyze", folder, "--out", tmp_path / "out", "--annotate", tmp_path / "seen"]

    assert run(*command).exit_code == 1  # the files are no videos

    service.analyzed.clear()
    monkeypatch.setattr("service.standalone.annotate.annotate", lambda video, analysis, target: [target.touch()] * 0)
    again = run(*command)
    assert (again.exit_code, again.stderr, len(service.analyzed)) == (0, "", 3)

    service.analyzed.clear()
    assert "3 of 3 videos" in run(*command).stderr
    assert service.analyzed == []


def test_the_client_has_what_the_commands_use():
    assert all(hasattr(Mien, name) for name in vars(Service) if not name.startswith("_"))


def test_serve_takes_its_flags_before_its_variables(monkeypatch, tmp_path):
    served = []
    monkeypatch.setattr("service.standalone.supervisor.serve", served.append)
    monkeypatch.setenv("MIEN_PORT", "1")
    with monkeypatch.context() as patched:
        patched.setattr(os, "environ", {**os.environ})
        done = run("serve", "--port", "8123", "--host", "::1", "--data", tmp_path)

    assert done.exit_code == 0, done.stderr
    assert (served[0].port, served[0].host, served[0].data_dir) == (8123, "::1", tmp_path)


@pytest.mark.parametrize(
    ("command", "environment", "said"),
    [
        (["serve"], {"MIEN_PORT": "70000"}, "'--port' (env var: 'MIEN_PORT')"),
        (["serve", "--port", "8001", "--grpc-port", "8001"], {}, "cannot share the port 8001"),
        (["serve"], {"MIEN_ALLOWED_HOSTS": "example.org"}, "MIEN_ALLOWED_HOSTS takes a JSON list"),
        (["analyze", "one.mp4", "--local"], {"MIEN_PROVIDERS": "cpu"}, "MIEN_PROVIDERS takes a JSON list"),
        (["analyze", "one.mp4", "--local"], {"MIEN_SLOTS": "none"}, "MIEN_SLOTS should be a valid integer"),
        (["keys", "list"], {"MIEN_RESULTS_TTL_S": "0"}, "MIEN_RESULTS_TTL_S should be greater"),
    ],
)
def test_a_wrong_setting_is_a_sentence(folder, monkeypatch, command, environment, said):
    monkeypatch.chdir(folder)
    with monkeypatch.context() as patched:
        patched.setattr(os, "environ", {**os.environ})
        done = run(*command, env=environment)

    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_keys_of_a_service_that_does_not_run_are_not_looked_for_elsewhere(tmp_path, monkeypatch):
    monkeypatch.delenv("MIEN_REDIS_URL", raising=False)
    monkeypatch.setenv("MIEN_DATA_DIR", str(tmp_path / "default"))

    for command in (["create"], ["list"], ["revoke", "ID"]):
        done = run("keys", *command)
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"No `mien serve` runs with its data in {tmp_path / 'default'}" in done.stderr
    named = run("keys", "list", "--data", tmp_path / "other", env={"MIEN_REDIS_URL": "redis://127.0.0.1:1"})
    assert named.exit_code == 2
    assert str(tmp_path / "other") in named.stderr


@pytest.mark.parametrize("command", [["analyze", "v.mp4"], ["list"]])
def test_an_invalid_address_is_an_error_that_names_the_commands_options(command):
    done = run(*command, "--url", "http://[::1")
    assert done.exit_code == 1
    assert "not a URL" in done.stderr
    assert ("--local" in done.stderr) == (command[0] == "analyze")
