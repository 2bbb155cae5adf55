from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from mien.contract.errors import (
    BY_CODE,
    BadMedia,
    CannotDecode,
    DecodeTooCostly,
    InvalidOption,
    Problem,
    QueueFull,
    TooLong,
    Unexpected,
)
from service.vision.clips import Clip, ClipSpec, FaceSeen, Progressed, TimedBox, VideoEnded, VideoOpened
from service.worker.pipe import receive_event, send_error, send_event

SPECS = [
    ClipSpec(frames=2, interval_s=0.1, size=4, margin=0.2, hop_s=0.5),
    ClipSpec(frames=16, interval_s=0.1, size=112, margin=0.2, hop_s=0.5),
]
BOX = (1.5, -2.5, 30.0, 31.0)
SMALL, LARGE = (np.random.default_rng(0).integers(0, 256, (s.frames, s.size, s.size, 3), np.uint8) for s in SPECS)


@pytest.fixture
def pipe() -> Iterator[tuple[Connection, Connection]]:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    yield receiver, sender
    receiver.close()
    sender.close()


def _clip_header(**changes) -> bytes:
    header = {"event": "Clip", "track": 0, "spec": 0, "start_s": 0.0, "end_s": 0.2, "frames": 2, "quality": 0.5}
    header["box"] = BOX
    return json.dumps(header | changes).encode()


def _face_header(**changes) -> bytes:
    face = {"event": "FaceSeen", "track": 0, "start_s": 0.0, "end_s": 1.0, "samples": 1, "path": []}
    return json.dumps(face | changes).encode()


def _end_header(**changes) -> bytes:
    end = {"event": "VideoEnded", "duration_s": 1, "fps": None, "width": 9, "height": 9, "frames": 1, "samples": 1}
    return json.dumps({**end, "warnings": []} | changes).encode()


@pytest.mark.parametrize(
    "event",
    [
        VideoOpened(width=320, height=240, total_s=1.5),
        VideoOpened(width=320, height=240, total_s=None),
        Progressed(done_s=0.5),
        FaceSeen(track=3, start_s=0.1, end_s=2.0, samples=19, path=[TimedBox(0.1, 1.5, 2.5, 30.0, 30.0)] * 3),
        VideoEnded(duration_s=1.5, fps=None, width=320, height=240, frames=1, samples=2, warnings=["näher heran"]),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_event_comes_out_as_it_went_in(pipe, event):
    receiver, sender = pipe

    send_event(sender, event)

    assert receive_event(receiver, SPECS) == event


@pytest.mark.parametrize(("spec", "pixels"), [(0, SMALL), (1, LARGE)])
def test_a_clip_comes_out_with_its_pixels(pipe, spec: int, pixels: np.ndarray):
    receiver, sender = pipe
    clip = Clip(track=1, spec=spec, start_s=0.5, end_s=0.7, frames=2, quality=0.625, box=BOX, pixels=pixels)
    thread = threading.Thread(target=send_event, args=(sender, clip))  # more than a pipe holds
    thread.start()

    got = receive_event(receiver, SPECS)
    thread.join()

    assert (got.track, got.spec, got.start_s, got.end_s, got.frames, got.quality) == (1, spec, 0.5, 0.7, 2, 0.625)
    assert got.box == BOX
    assert got.pixels.dtype == np.uint8
    assert np.array_equal(got.pixels, pixels)


def test_pixels_that_do_not_lie_in_order_arrive_in_order(pipe):
    receiver, sender = pipe
    turned = np.swapaxes(SMALL, 1, 2)

    send_event(sender, Clip(track=0, spec=0, start_s=0, end_s=0.2, frames=2, quality=1.0, box=BOX, pixels=turned))

    assert np.array_equal(receive_event(receiver, SPECS).pixels, turned)


@pytest.mark.parametrize("error", [TooLong("It takes 2 h."), DecodeTooCostly("Too much.")])
def test_an_error_of_the_video_comes_out_as_itself(pipe, error: BadMedia):
    receiver, sender = pipe

    send_error(sender, error)

    with pytest.raises(type(error)) as raised:
        receive_event(receiver, SPECS)
    assert raised.value.detail == error.detail


@pytest.mark.parametrize("code", [kind.code for kind in BY_CODE.values() if not issubclass(kind, BadMedia)] + ["new"])
def test_a_child_can_raise_no_error_but_one_of_the_video(pipe, code: str):
    receiver, sender = pipe

    sender.send_bytes(
        json.dumps({"event": "Problem", **Problem(code=code, title="", detail="d").model_dump()}).encode()
    )

    with pytest.raises(BadMedia) as raised:
        receive_event(receiver, SPECS)
    assert type(raised.value) is CannotDecode


def test_errors_of_other_kinds_sent_properly_are_no_exception(pipe):
    receiver, sender = pipe

    for error in (InvalidOption("x"), QueueFull("x", 1), Unexpected("x")):
        send_error(sender, error)

        with pytest.raises(CannotDecode):
            receive_event(receiver, SPECS)


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\x00" * 100,
        b"\xff\xfe\xfd",
        b"null",
        b"7",
        b"[]",
        b'"Clip"',
        b"{}",
        b'{"event": null}',
        b'{"event": []}',
        b'{"event": {}}',
        b'{"event": "Clip"}',
        _clip_header(box=[1e300, 0, 0, 0]),
        _clip_header(box=[float("nan"), 0, 0, 0]),
        b'{"event": "VideoOpened"}',
        b'{"event": "VideoOpened", "width": "wide", "height": 1, "total_s": 1}',
        b'{"event": "VideoOpened", "width": 1, "height": 1, "total_s": "x"}',
        b'{"event": "FaceSeen", "track": 0, "start_s": 0, "end_s": 0, "samples": 1, "path": [[1, 2]]}',
        b'{"event": "VideoEnded", "duration_s": 1}',
        _face_header(track=-1),
        _face_header(samples=0),
        _face_header(start_s=-1),
        _face_header(start_s=2),
        _end_header(samples=-1),
        _end_header(frames=-1),
        _end_header(width=-1),
        _end_header(duration_s=-1),
        b'{"event": "VideoOpened", "width": 0, "height": 1, "total_s": 1}',
        b'{"event": "Problem", "code": "too_long"}',
        b'{"event": "__class__"}',
        b'{"event": "Progressed", "done_s": 1',
        b'{"event": "Progressed", "done_s": NaN}',
        b'{"event": "Progressed", "done_s": -Infinity}',
        b'{"event": "Progressed", "done_s": 1e999}',
        b'{"event": "Progressed", "done_s": -20}',
        b'{"event": "VideoOpened", "width": 1, "height": 1, "total_s": 1e999}',
        b"[" * 200_000,
        b'{"event":' * 200_000,
    ],
    ids=lambda junk: repr(junk[:30]),
)
def test_junk_is_a_video_that_cannot_be_decoded(pipe, junk: bytes):
    receiver, sender = pipe
    thread = threading.Thread(target=sender.send_bytes, args=(junk,))
    thread.start()

    with pytest.raises(CannotDecode):
        receive_event(receiver, SPECS)
    thread.join()


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": -1},
        {"spec": 2},
        {"spec": 1.5},
        {"spec": None},
        {"track": -1},
        {"frames": 0},
        {"frames": 3},
        {"frames": 1 << 40},
        {"start_s": -0.1},
        {"end_s": -0.1},
        {"start_s": None},
        {"quality": -0.01},
        {"quality": 1.01},
        {"quality": float("nan")},
        {"quality": None},
    ],
)
def test_a_clip_with_an_impossible_header_is_refused(pipe, changes):
    receiver, sender = pipe

    sender.send_bytes(_clip_header(**changes))

    with pytest.raises(CannotDecode):
        receive_event(receiver, SPECS)


@pytest.mark.parametrize("size", [0, 1, SMALL.size - 1, SMALL.size + 1, 60_000])
def test_a_clip_with_too_few_or_too_many_bytes_is_refused(pipe, size: int):
    receiver, sender = pipe

    sender.send_bytes(_clip_header())
    sender.send_bytes(b"x" * size)

    with pytest.raises(CannotDecode):
        receive_event(receiver, SPECS)


def test_a_message_that_says_it_is_huge_is_refused_before_it_is_read(pipe):
    receiver, sender = pipe

    os.write(sender.fileno(), (1 << 30).to_bytes(4, "big") + b"{")

    with pytest.raises(CannotDecode):
        receive_event(receiver, SPECS)


def test_a_pickle_is_never_run(pipe, tmp_path: Path):
    receiver, sender = pipe
    proof = tmp_path / "executed"

    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(proof),)

    for send in (sender.send, lambda attack: sender.send_bytes(pickle.dumps(attack))):
        send(Attack())

        with pytest.raises(CannotDecode):
            receive_event(receiver, SPECS)

    assert not proof.exists()


def test_a_child_that_is_gone_is_no_fault_of_the_video(pipe):
    receiver, sender = pipe
    sender.close()

    with pytest.raises(EOFError):
        receive_event(receiver, SPECS)
