"""The command `mien analyze`, as a shell starts it."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from service.worker.settings import DEFAULT_BUNDLE
from tests.end_to_end.sense import check_answer
from tests.processes import HANG_S, free_port, wait_for
from tests.videos import long_video

ESCAPE = b"\x1b"


def mien(*arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [Path(sys.executable).with_name("mien"), *map(str, arguments)],
        capture_output=True,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=HANG_S,
    )
    # Neither is a terminal here: no colours, no bar.
    assert ESCAPE not in done.stdout + done.stderr
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_json_goes_to_stdout_and_nothing_to_stderr(served, face, manifest):
    done = mien("analyze", face, "--json", "--url", served.url)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    assert answer.pop("file") == str(face)
    analysis = check_answer(answer, manifest)
    assert len(analysis.faces) == 1


def test_the_url_may_come_from_the_environment(served, faceless):
    done = mien("analyze", faceless, "--json", MIEN_URL=served.url)
    assert done.returncode == 0
    assert json.loads(done.stdout)["faces"] == []


def test_csv_has_one_line_a_window_and_one_for_a_file_without_a_face(served, face, faceless, http):
    done = mien("analyze", face, faceless, "--csv", "--url", served.url)
    assert (done.returncode, done.stderr) == (0, f"{faceless}: no face was found.\n")
    *rows, none = csv.DictReader(io.StringIO(done.stdout))
    assert len(rows) >= 2
    assert {row["file"] for row in rows} == {str(face)}
    assert (none["file"], none["note"], none["track"]) == (str(faceless), "no face found", "")
    assert {"person", "first_frame", "box_left", "expression", "valence", "arousal", "openness"} <= rows[0].keys()
    assert all(float(row["start_s"]) < float(row["centre_s"]) < float(row["end_s"]) for row in rows)
    assert all(0 <= int(row["first_frame"]) <= int(row["last_frame"]) < 50 for row in rows)

    one = http.post("/analyze", content=face.read_bytes()).json()["id"]
    answer = http.get(f"/analyses/{one}", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text == http.get(f"/analyses/{one}/timeline.csv").text
    assert list(csv.DictReader(io.StringIO(answer.text))) == [
        {name: value for name, value in row.items() if name != "file"} for row in rows
    ]


def test_the_commands_on_kept_analyses(served, face):
    analysis = json.loads(mien("analyze", face, "--json", "--url", served.url).stdout)["id"]

    assert any(line.startswith(analysis) for line in mien("list", "--url", served.url).stdout.splitlines())
    assert "Person 1" in mien("get", analysis, "--url", served.url).stdout
    assert "Person 1" in mien("watch", analysis, "--url", served.url).stdout
    assert mien("delete", analysis, "--url", served.url).returncode == 0
    gone = mien("get", analysis, "--url", served.url)
    assert (gone.returncode, gone.stdout) == (1, "")


def test_a_table_shows_the_face_and_stderr_the_warnings(served, face, manifest):
    done = mien("analyze", face, "--url", served.url, COLUMNS="200")
    assert done.returncode == 0
    assert "face.mp4: 2.0 s, 320×240" in done.stdout
    assert "Person 1" in done.stdout
    assert "0.0–2.0 s" in done.stdout
    assert ("not trained" in done.stderr) == (not manifest.training.trained)


def test_options_are_passed_on(served, face):
    done = mien(
        "analyze", face, "--json", "--url", served.url, "--task", "expression", "--start", "0.5", "--hop", "0.2"
    )
    (one,) = json.loads(done.stdout)["faces"]
    assert "valence" not in one
    assert one["start_s"] == pytest.approx(0.5, abs=0.1)


def test_local_needs_no_service_and_finds_the_same(served, face):
    local = mien("analyze", face, "--json", "--local", MIEN_URL="http://127.0.0.1:1")
    assert (local.returncode, local.stderr) == (0, "")
    remote = mien("analyze", face, "--json", "--url", served.url)
    assert json.loads(local.stdout)["faces"] == json.loads(remote.stdout)["faces"]
    assert json.loads(local.stdout)["warnings"] == json.loads(remote.stdout)["warnings"]


def test_a_bad_video_among_good_ones_is_reported_and_the_others_are_done(served, faceless, tmp_path):
    bad, empty = tmp_path / "bad.mp4", tmp_path / "empty.mp4"
    bad.write_text("no video")
    empty.touch()
    for where in (["--url", served.url], ["--local"]):
        done = mien("analyze", bad, tmp_path / "none.mp4", empty, faceless, "--json", *where)
        assert done.returncode == 1
        assert len(done.stdout.splitlines()) == 1
        first, second, third = done.stderr.splitlines()
        assert first.startswith(f"{bad}: ")
        assert " is text. " in first
        assert first.endswith(".")
        assert second == f"{tmp_path / 'none.mp4'}: No such file or directory"
        assert third == f"{empty}: The file is empty. Copy or record the video again."
        assert "Traceback" not in done.stderr


def test_folders_and_patterns_name_videos_and_answers_come_in_their_order(served, face, faceless, tmp_path):
    for name, source in (("b.mp4", face), ("a.mov", faceless), ("deep/c.MP4", faceless), ("notes.txt", faceless)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(source, tmp_path / name)

    folder = mien("analyze", tmp_path, "--csv", "--url", served.url)
    pattern = mien("analyze", tmp_path / "*.m*", tmp_path / "b.mp4", "--json", "--url", served.url)

    rows = list(csv.DictReader(io.StringIO(folder.stdout)))
    assert [row["file"] for row in rows if row["note"]] == [str(tmp_path / name) for name in ("a.mov", "deep/c.MP4")]
    assert {row["file"] for row in rows if row["track"]} == {str(tmp_path / "b.mp4")}
    answers = [json.loads(line) for line in pattern.stdout.splitlines()]
    assert [len(answer["faces"]) for answer in answers] == [0, 1]  # a.mov, then b.mp4, once
    assert [answer["file"] for answer in answers] == [str(tmp_path / "a.mov"), str(tmp_path / "b.mp4")]


def test_a_folder_without_videos_is_an_error(tmp_path):
    done = mien("analyze", tmp_path)
    assert done.returncode == 2
    assert "no video found in" in done.stderr


@pytest.mark.parametrize("where", ["--url", "--local"])
def test_the_video_is_written_with_what_was_found_drawn_on_it(served, face, tmp_path, where):
    target = tmp_path / "out" / "seen.mp4"
    done = mien(
        "analyze", face, "--json", "--annotate", target, *((where, served.url) if where == "--url" else (where,))
    )

    assert (done.returncode, done.stderr) == (0, "")
    with av.open(str(face)) as before, av.open(str(target)) as after:
        plain, drawn = (list(film.decode(video=0)) for film in (before, after))
    assert [frame.time for frame in drawn] == pytest.approx([frame.time for frame in plain], abs=1e-3)
    left, top, _width, height = json.loads(done.stdout)["faces"][0]["path"][0][1:]
    one, other = (frames[0].to_ndarray(format="rgb24").astype(int) for frames in (plain, drawn))
    changed = np.abs(one - other).max(axis=2) > 60
    assert changed[top : top + height, left - 2 : left + 3].mean() > 0.15  # the box's left side
    assert changed[:40, :40].mean() < 0.05


def test_annotated_videos_go_where_they_do_not_overwrite_each_other(served, face, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(face, tmp_path / folder / "x.mp4")
    same = mien("analyze", tmp_path, "--annotate", tmp_path / "out", "--url", served.url)
    file = mien("analyze", tmp_path, "--annotate", tmp_path / "out.mp4", "--url", served.url)

    assert (same.returncode, file.returncode) == (2, 2)
    assert "the same name" in same.stderr
    assert "a folder for several" in file.stderr


@pytest.mark.parametrize("target", ["clip.mp4", "", "../there/clip.mp4"])
def test_a_video_is_never_written_over(served, face, tmp_path, target):
    video = tmp_path / "there" / "clip.mp4"
    video.parent.mkdir()
    shutil.copy(face, video)

    done = mien("analyze", video, "--annotate", video.parent / target, "--url", served.url)

    assert done.returncode == 2
    assert "would overwrite" in done.stderr
    assert video.read_bytes() == face.read_bytes()


def test_bundles_are_checked_as_a_worker_would(manifest, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(DEFAULT_BUNDLE, broken)
    (broken / "model.onnx").write_bytes(b"something else")

    done = mien("bundles", "check", DEFAULT_BUNDLE, broken)

    assert done.returncode == 1
    assert f"{manifest.name} {manifest.version}" in done.stdout
    assert done.stderr.startswith(f"{broken}: ")


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "127.0.0.1:{port}", "nonsense", "http://[::1", "http://:"])
def test_without_a_service_a_sentence_says_what_to_do(faceless, url):
    done = mien("analyze", faceless, "--url", url.format(port=free_port()))
    assert (done.returncode, done.stdout) == (1, "")
    assert "mien serve" in done.stderr
    assert "--local" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_another_service_at_the_address_is_an_error(faceless, tmp_path):
    port = free_port()
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        assert other.stdout.readline() == b"up\n"
        done = mien("analyze", faceless, "--url", f"http://127.0.0.1:{port}")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "Mien" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


OTHER = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page)
print("up", flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "FILE"),
        (["--json", "--csv", "x.mp4"], "combined"),
        (["--faces", "0", "x.mp4"], "--faces: "),
        (["--faces", "many", "x.mp4"], "faces"),
        (["--start", "2", "--end", "1", "x.mp4"], "--end must be greater than --start"),
        (["--task", "nose", "x.mp4"], "--task: "),
        (["--nose", "x.mp4"], "--nose"),
    ],
)
def test_wrong_use_exits_with_2_and_says_what_is_wrong(arguments, said):
    done = mien("analyze", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_local_analysis_that_cannot_start_exits_with_2(faceless, tmp_path):
    done = mien("analyze", faceless, "--local", MIEN_BUNDLES=json.dumps([str(tmp_path)]))
    assert (done.returncode, done.stdout) == (2, "")
    assert "manifest.json" in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [Path(sys.executable).with_name("mien"), *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Path:
    return long_video(tmp_path_factory.mktemp("long") / "long.mp4", seconds=120)


def test_ctrl_c_keeps_what_is_finished_and_cancels_the_rest_on_the_server(served, face, long, http):
    before = {summary["id"] for summary in http.get("/analyses").json()["analyses"]}

    def running() -> list[str]:
        found = http.get("/analyses", params={"state": "running"}).json()["analyses"]
        return [summary["id"] for summary in found if summary["id"] not in before]

    with started("analyze", face, long, "--csv", "--url", served.url) as process:
        head = process.stdout.readline() + process.stdout.readline()
        (job,) = wait_for(running)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=HANG_S)

    assert (process.returncode, errors) == (130, "")
    assert {row["file"] for row in csv.DictReader(io.StringIO(head + rest))} == {str(face)}
    assert http.get(f"/analyses/{job}").status_code == 410


def test_ctrl_c_ends_a_local_analysis(face, long):
    with started("analyze", face, long, "--csv", "--local") as process:
        head = process.stdout.readline() + process.stdout.readline()  # the first file's lines come before the second's
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=HANG_S)

    assert (process.returncode, errors) == (130, "")
    assert {row["file"] for row in csv.DictReader(io.StringIO(head + rest))} == {str(face)}


@pytest.mark.parametrize("command", ["watch", "report"])
def test_ctrl_c_ends_watching_and_reporting(served, long, http, tmp_path, command):
    """Watching lets the analysis go on; a report cancels what it began."""
    before = {summary["id"] for summary in http.get("/analyses").json()["analyses"]}

    def running() -> list[str]:
        found = http.get("/analyses", params={"state": "running"}).json()["analyses"]
        return [summary["id"] for summary in found if summary["id"] not in before]

    report = tmp_path / "report.html"
    if command == "report":
        job, process = "", started("report", long, "--out", report, "--url", served.url)
    else:
        sent = http.post("/analyze", content=long.read_bytes(), headers={"Prefer": "respond-async"})
        job = sent.json()["id"]
        process = started("watch", job, "--url", served.url)
    with process as popen:
        if command == "watch":
            popen.stdout.readline()
        else:
            (job,) = wait_for(running)
        popen.send_signal(signal.SIGINT)
        _, errors = popen.communicate(timeout=HANG_S)

    assert (popen.returncode, errors) == (130, "")
    assert not report.exists()
    assert http.get(f"/analyses/{job}").status_code == (200 if command == "watch" else 410)
    http.delete(f"/analyses/{job}")


def test_ctrl_c_ends_a_live_analysis(served, long):
    with started("live", long, "--json", "--url", served.url) as process:
        assert json.loads(process.stdout.readline())["window"]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=HANG_S)

    assert (process.returncode, errors) == (130, "")
