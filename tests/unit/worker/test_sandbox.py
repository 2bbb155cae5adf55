"""Decode children on real videos, and how children that stall, exceed a limit or die are handled."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from mien.contract.errors import CannotDecode, DecodeStalled, DecodeTooCostly, Misconfigured, TooLong
from mien.contract.live_messages import Encoding, LiveFrame, pack
from service.vision.clips import Clip, ClipSpec, FaceSeen, Limits, Progressed, VideoEnded, VideoOpened, read_clips
from service.vision.decode_device import DecodeDevice
from service.vision.faces import open_detector
from service.worker import decode_child, sandbox
from service.worker.decode_child import Assignment, VideoPart
from service.worker.pipeline import DecodeSettings
from service.worker.sandbox import ChildLost, InterruptedWork, Sandbox
from tests.processes import HANG_S, wait_for
from tests.unit.worker.conftest import SECRET
from tests.videos import long_video, write_video

pytestmark = pytest.mark.usefixtures("fork_server")

SPECS = (ClipSpec(frames=4, interval_s=0.1, size=16, margin=0.2, hop_s=0.2),)
LIMITS = Limits(max_pixels=1 << 25, max_duration_s=60, max_frames=10_000)
# A clip of this is nine times what a pipe holds: a child that is not listened to stops in the middle of one.
LARGE = (ClipSpec(frames=16, interval_s=0.04, size=112, margin=0.2, hop_s=0.1),)


def assignment(video: Path | Connection, *, start_s: float = 0.0, end_s: float | None = None, **changes) -> Assignment:
    return Assignment(
        **{
            "source": VideoPart(video, start_s, end_s) if isinstance(video, Path) else video,
            "specs": SPECS,
            "faces": 8,
            "yunet": None,
            "limits": LIMITS,
            "memory_bytes": 1 << 30,
            "cpu_s": 60,
            **changes,
        }
    )


def decode(video: Path, *, stall_s: float = HANG_S, interrupted: threading.Event | None = None, **changes):
    return Sandbox(stall_s).decode(assignment(video, **changes), interrupted or threading.Event())


@contextlib.contextmanager
def under_way(video: Path, **changes) -> Iterator[tuple[Generator, int]]:
    """A decoding that has begun, and the process id of its child."""
    with contextlib.closing(decode(video, **changes)) as events:
        assert isinstance(next(events), VideoOpened)
        [child] = multiprocessing.active_children()
        yield events, child.pid


def be_patient(events: Generator, stall_s: float) -> None:
    """Bound the silence of a child from here on: however long it took to start."""
    events.gi_yieldfrom.gi_frame.f_locals["listener"]._stall_s = stall_s


def has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def blocked_in_mid_message(pid: int) -> None:
    """Wait until the child sleeps because the pipe is full."""
    wait_for(lambda: "pipe_write" in Path(f"/proc/{pid}/wchan").read_text() or _sleeps(pid))
    time.sleep(0.1)


def _sleeps(pid: int) -> bool:
    before = _cpu_ticks(pid)
    time.sleep(0.3)
    return _cpu_ticks(pid) == before


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def at_once(_: int) -> None:
    pass


def test_a_child_gives_the_same_events_as_decoding_in_this_process(face: Path):
    events = list(decode(face))

    expected = list(read_clips(face, SPECS, detector=open_detector(None), limits=LIMITS, faces=8))
    assert [type(event) for event in events] == [type(event) for event in expected]
    for event, other in zip(events, expected, strict=True):
        if isinstance(event, Clip):
            assert np.array_equal(event.pixels, other.pixels)
            assert (event.track, event.start_s, event.end_s) == (other.track, other.start_s, other.end_s)
        else:
            assert event == other
    assert isinstance(events[0], VideoOpened)
    assert isinstance(events[-1], VideoEnded)
    assert {Clip, FaceSeen} <= {type(event) for event in events}
    assert multiprocessing.active_children() == []


def test_only_the_part_that_is_asked_for_is_read(long_face: Path):
    events = list(decode(long_face, start_s=0.5, end_s=1.0))

    clips = [event for event in events if isinstance(event, Clip)]
    assert clips
    assert all(0.5 <= clip.start_s < clip.end_s <= 1.0 for clip in clips)


def test_a_child_knows_nothing_of_the_environment(face: Path):
    assert os.environ[SECRET]

    with under_way(face, specs=LARGE) as (_, pid):
        left = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")

    # What the readline library sets behind Python's back is no secret, nor is what `start` sets itself.
    known = {b"", b"LINES", b"COLUMNS", b"OPENBLAS_NUM_THREADS", b"MALLOC_ARENA_MAX"}
    assert {entry.partition(b"=")[0] for entry in left} <= known


def test_a_child_holds_nothing_open_but_the_pipe_the_video_and_nowhere(face: Path):
    with under_way(face, specs=LARGE) as (_, pid):
        open_files = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}

    assert {name for name in open_files if not name.startswith("pipe:")} == {"/dev/null", str(face)}
    assert len(open_files) == 3


def test_the_limits_are_in_force_in_a_child(face: Path):
    with under_way(face, specs=LARGE, memory_bytes=800 << 20, cpu_s=17) as (_, pid):
        text = Path(f"/proc/{pid}/limits").read_text()
        status = Path(f"/proc/{pid}/status").read_text()
        group, session = os.getpgid(pid), os.getsid(pid)

    def soft(name: str) -> str:
        [line] = [line for line in text.splitlines() if line.startswith(name)]
        return line[len(name) :].split()[0]

    assert 800 << 20 < int(soft("Max address space")) < 4 << 30
    assert soft("Max cpu time") == "17"
    assert soft("Max open files") == "32"
    assert soft("Max file size") == "0"
    assert soft("Max core file size") == "0"
    assert "NoNewPrivs:\t1" in status
    assert "CapEff:\t0000000000000000" in status
    assert group == pid
    assert session != pid  # autogroup (sched(7)) would keep its niceness within its own session


def test_a_child_becomes_nicer_with_each_second_of_its_video(long_face: Path):
    own = os.getpriority(os.PRIO_PROCESS, 0)
    nice = {}
    with under_way(long_face, specs=LARGE) as (events, pid):
        for event in events:
            if isinstance(event, Progressed) and event.done_s <= 8:
                nice[event.done_s] = os.getpriority(os.PRIO_PROCESS, pid) - own

    assert len(nice) > 8
    assert nice == {done_s: min(5, int(done_s)) for done_s in nice}


def test_a_platform_that_refuses_priorities_decodes_all_the_same(long_face: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: int) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(os, "setpriority", refuse)

    assert isinstance(list(decode(long_face, end_s=2.0))[-1], VideoEnded)


def test_what_a_child_sent_before_it_ended_is_read(face: Path):
    with under_way(face) as (events, pid):
        wait_for(lambda: has_ended(pid))
        kinds = [type(event) for event in events]

    assert Progressed in kinds
    assert kinds[-1] is VideoEnded


def test_a_child_that_watches_live_frames_stays_as_it_is():
    reader, writer = multiprocessing.Pipe(duplex=False)
    picture = np.zeros((16, 16, 3), np.uint8)
    frames = [pack(LiveFrame(float(second), Encoding.RGB, picture.tobytes(), 16, 16)) for second in range(13)]
    with contextlib.closing(Sandbox(HANG_S).decode(assignment(reader), threading.Event())) as events:
        for frame in frames:
            writer.send_bytes(frame)
        while (event := next(events)) != Progressed(11):
            assert event is None or isinstance(event, Progressed)
        [child] = multiprocessing.active_children()
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == os.getpriority(os.PRIO_PROCESS, 0)


def test_while_a_child_waits_for_live_frames_its_silence_is_told():
    reader, writer = multiprocessing.Pipe(duplex=False)
    interrupted = threading.Event()
    with contextlib.closing(Sandbox(HANG_S).decode(assignment(reader), interrupted)) as events:
        assert [next(events) for _ in range(3)] == [None] * 3
        writer.close()
        assert isinstance([event for event in events if event is not None][-1], VideoEnded)


def test_a_child_that_waits_for_a_live_frame_has_not_stalled():
    reader, writer = multiprocessing.Pipe(duplex=False)
    picture = np.zeros((16, 16, 3), np.uint8)
    first, second, late = [pack(LiveFrame(float(index), Encoding.RGB, picture.tobytes(), 16, 16)) for index in range(3)]
    with contextlib.closing(Sandbox(1).decode(assignment(reader), threading.Event())) as events:
        writer.send_bytes(first)
        writer.send_bytes(second)
        assert Progressed(1) in events
        threading.Timer(1.5, writer.send_bytes, [late]).start()

        assert Progressed(2) in events


def test_a_video_is_not_read_where_a_layer_is_required_and_lacking(face: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decode_child, "confine", lambda _, **__: ["landlock"])
    monkeypatch.setattr(decode_child, "_leave_group", lambda *_: None)
    monkeypatch.setattr(decode_child, "_limit_resources", lambda _: None)
    monkeypatch.setattr(signal, "raise_signal", _killed)
    receiver, sender = multiprocessing.Pipe(duplex=False)

    with pytest.raises(_Killed):
        decode_child.run(sender, assignment(face), required=True)
    assert not receiver.poll()


def test_a_worker_that_requires_a_layer_refuses_to_start_without_it(monkeypatch: pytest.MonkeyPatch):
    if not Sandbox(30).start():
        assert Sandbox(30, required=True).start() == []
    monkeypatch.setattr(decode_child, "report_confinement", _found_no_landlock)

    assert Sandbox(30).start() == ["landlock"]
    with pytest.raises(Misconfigured, match="does not offer landlock"):
        Sandbox(30, required=True).start()


def test_a_worker_does_not_start_if_the_card_that_it_is_to_decode_on_does_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decode_child, "report_gpu", _found_no_gpu)

    with pytest.raises(Misconfigured, match=r"MIEN_DECODE_DEVICE is cuda, and there is no GPU\."):
        Sandbox(30).start("cuda")
    with pytest.raises(Misconfigured, match="leaves out Landlock and seccomp"):
        Sandbox(30, required=True).start("cuda")


def test_a_driver_that_crashes_or_hangs_is_told_as_such(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(Misconfigured, match="It cannot be tried: a child ended with exit code -11"):
        Sandbox(30)._ask(_crashes, "cuda", "It cannot be tried")

    monkeypatch.setattr(sandbox, "_ANSWERS_WITHIN_S", 0.1)
    with pytest.raises(Misconfigured, match="It cannot be tried: a child gave no answer"):
        Sandbox(30)._ask(_hangs, "cuda", "It cannot be tried")


def _crashes(_pipe: Connection, _device: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _hangs(_pipe: Connection, _device: str) -> None:
    time.sleep(HANG_S)


@pytest.mark.parametrize("error", [CannotDecode("no"), DecodeTooCostly("no"), ChildLost("no")])
def test_what_a_card_fails_on_a_processor_does_unless_it_began(face: Path, monkeypatch, error: Exception):
    began: list[str] = []
    opened = VideoOpened(320, 240, 1.6)

    def decode(_: Sandbox, wanted: Assignment, _interrupted: threading.Event) -> Iterator[object]:
        began.append(wanted.device)
        yield Progressed(0)  # while the track is chosen
        if wanted.device == "cpu" or len(began) > 2:
            yield opened
        if wanted.device != "cpu":
            raise error

    monkeypatch.setattr(Sandbox, "_decode", decode)
    given = replace(assignment(face), device="cuda")

    assert list(Sandbox(30).decode(given, threading.Event())) == [Progressed(0), Progressed(0), opened]
    assert began == ["cuda", "cpu"]
    with pytest.raises(ChildLost, match="on the GPU failed"):
        list(Sandbox(30).decode(given, threading.Event()))
    assert began == ["cuda", "cpu", "cuda"]


def test_the_confinement_that_a_card_leaves_out_is_told():
    assert _confined("cuda")[-2:] == ["landlock", "seccomp"]
    assert set(_confined("cpu")) <= set(_confined("cuda"))


def test_a_child_that_decodes_on_a_card_keeps_the_limit_on_processor_time_alone(face: Path, monkeypatch):
    limited = []
    monkeypatch.setattr(decode_child, "_limit", lambda what, *_, **__: limited.append(what))

    decode_child._limit_resources(replace(assignment(face), device="cuda"))

    assert set(limited) == {resource.RLIMIT_CPU, resource.RLIMIT_CORE}


def _confined(device: DecodeDevice) -> list[str]:
    """Return what is lacking in a child that is confined for a device."""
    code = (
        f"import json; from service.worker.confinement import confine as c; print(json.dumps(c([], device={device!r})))"
    )
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


def test_children_learn_which_card_is_meant_where_they_decode_on_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")

    with sandbox._child_environment("cuda"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    with sandbox._child_environment("cpu"):
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


class _Killed(BaseException):
    pass


def _killed(number: int) -> None:
    assert number == signal.SIGKILL
    raise _Killed


def _found_no_gpu(pipe: Connection, _device: str) -> None:
    pipe.send_bytes(b'"there is no GPU"')


def _found_no_landlock(pipe: Connection, _device: str) -> None:
    pipe.send_bytes(b'["landlock"]')


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mov", "mpeg4"), ("a.mkv", "mpeg4"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4")],
)
def test_every_container_is_decoded_under_the_confinement(tmp_path: Path, name: str, codec: str):
    pictures = [np.full((96, 128, 3), level, np.uint8) for level in range(0, 200, 20)]
    video = write_video(tmp_path / name, pictures, fps=25, codec=codec)

    assert isinstance(list(decode(video))[-1], VideoEnded)


def test_a_child_that_stops_is_killed_when_the_time_is_over(long_face: Path):
    for moment in (at_once, blocked_in_mid_message):
        with under_way(long_face, specs=LARGE) as (events, pid):
            moment(pid)
            os.kill(pid, signal.SIGSTOP)
            be_patient(events, 0.6)

            with pytest.raises(DecodeStalled, match="gave nothing for 1 second"):
                list(events)

            assert has_ended(pid)


def unread_bytes(events: Generator) -> int:
    """Return how many bytes of a child wait in its pipe."""
    waiting = fcntl.ioctl(events.gi_yieldfrom.gi_frame.f_locals["receiver"].fileno(), termios.FIONREAD, bytes(4))
    return int.from_bytes(waiting, sys.byteorder)


def test_a_child_that_waits_for_a_slow_worker_has_not_stalled(long_face: Path):
    with under_way(long_face) as (events, _):
        wait_for(lambda: unread_bytes(events) > 30_000)  # several messages: what comes next needs no child
        be_patient(events, 0.5)
        time.sleep(1)
        next(events)
        be_patient(events, HANG_S)

        assert isinstance(list(events)[-1], VideoEnded)


@pytest.mark.parametrize("moment", [at_once, blocked_in_mid_message])
def test_an_interruption_kills_a_child_though_it_hangs(long_face: Path, moment: Callable[[int], None]):
    interrupted = threading.Event()
    with under_way(long_face, specs=LARGE, interrupted=interrupted) as (events, pid):
        moment(pid)
        os.kill(pid, signal.SIGSTOP)
        timer = threading.Timer(0.3, interrupted.set)
        timer.start()

        with pytest.raises(InterruptedWork):
            list(events)

        assert has_ended(pid)


def test_an_interruption_is_heard_though_the_child_works_well(long_face: Path):
    interrupted = threading.Event()
    with under_way(long_face, interrupted=interrupted) as (events, pid):
        next(events)
        interrupted.set()

        with pytest.raises(InterruptedWork):
            next(events)

        assert has_ended(pid)


def test_closing_the_generator_leaves_no_child_behind(long_face: Path):
    with under_way(long_face) as (events, pid):
        assert not has_ended(pid)

        events.close()

        assert has_ended(pid)
        assert multiprocessing.active_children() == []


@pytest.mark.parametrize("moment", [at_once, blocked_in_mid_message])
@pytest.mark.parametrize(
    ("number", "error"),
    [
        (signal.SIGKILL, ChildLost),
        (signal.SIGTERM, ChildLost),
        (signal.SIGSEGV, CannotDecode),
        (signal.SIGXCPU, DecodeTooCostly),
    ],
    ids=lambda value: getattr(value, "name", None) or value.__name__,
)
def test_the_way_a_child_dies_tells_whose_fault_it_is(long_face: Path, moment, number: int, error: type[Exception]):
    with under_way(long_face, specs=LARGE) as (events, pid):
        moment(pid)
        os.kill(pid, number)

        with pytest.raises(error):
            list(events)


def crash_slowly(sender: Connection, *_: object) -> None:
    sender.close()
    time.sleep(1)  # as on a machine that has much else to do
    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_child_that_is_slow_to_die_is_asked_what_it_died_of(faceless: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decode_child, "run", crash_slowly)

    with pytest.raises(CannotDecode):
        list(decode(faceless))


def test_a_fork_server_that_dies_is_no_fault_of_the_video_and_is_started_anew(long_face: Path, faceless: Path):
    with under_way(long_face) as (events, pid):
        os.kill(_parent(pid), signal.SIGKILL)

        with pytest.raises(ChildLost):
            list(events)
        wait_for(lambda: has_ended(pid))

    with under_way(long_face, specs=LARGE) as (_, pid):
        assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    assert os.environ[SECRET]
    assert isinstance(list(decode(faceless))[-1], VideoEnded)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_video_whose_frames_need_too_much_memory_is_too_costly(tmp_path: Path):
    huge = np.zeros((4096, 4096, 3), np.uint8)
    video = write_video(tmp_path / "huge.mp4", [huge] * 3, fps=1, codec="mpeg4")

    with pytest.raises(DecodeTooCostly, match="more memory than"):
        list(decode(video, memory_bytes=64 << 20))
    assert isinstance(list(decode(video, memory_bytes=1 << 29))[-1], VideoEnded)


@pytest.mark.parametrize("megabytes", [112, 128, 144, 160, 176, 192])
def test_frames_that_find_no_memory_are_not_taken_for_damaged_ones(tmp_path: Path, megabytes: int):
    noise = np.random.default_rng(0).integers(0, 255, (2304, 4096, 3), np.uint8)
    options = {"preset": "ultrafast", "x264-params": "ref=5:bframes=6:b-pyramid=normal:b-adapt=0:level=6.2"}
    video = write_video(tmp_path / "large.mp4", [noise] * 16, options=options)

    try:
        *_, ended = decode(video, memory_bytes=megabytes << 20)
    except DecodeTooCostly:
        return
    assert isinstance(ended, VideoEnded)
    assert ended.frames == 16
    assert ended.warnings == []


def test_the_least_memory_that_settings_allow_is_enough_for_a_plain_video(face: Path):
    least = DecodeSettings.model_fields["decode_memory_bytes"].metadata[0].ge

    assert isinstance(list(decode(face, memory_bytes=least))[-1], VideoEnded)


def test_a_video_that_takes_too_much_processor_time_is_too_costly(tmp_path: Path):
    minute = long_video(tmp_path / "minute.mp4", seconds=60)

    with pytest.raises(DecodeTooCostly, match="more processor time than is allowed"):
        list(decode(minute, cpu_s=1))


def test_errors_of_the_decoder_are_sent_by_the_child(tmp_path: Path, long_face: Path):
    (tmp_path / "text.mp4").write_text("I am no video.")

    with pytest.raises(CannotDecode):
        list(decode(tmp_path / "text.mp4"))
    with pytest.raises(TooLong):
        list(decode(long_face, limits=Limits(max_pixels=1 << 25, max_duration_s=1, max_frames=10_000)))
    assert multiprocessing.active_children() == []


def test_several_children_work_side_by_side(face: Path):
    done: list[type] = []

    def work() -> None:
        done.append(type(list(decode(face))[-1]))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert done == [VideoEnded] * 4
    assert multiprocessing.active_children() == []
