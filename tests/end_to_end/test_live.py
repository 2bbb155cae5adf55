"""Live analyses over WebSocket and gRPC, with a real worker."""

from __future__ import annotations

import json
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import cycle
from typing import TypeVar

import cv2
import grpc
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mien.client import Mien
from mien.contract.errors import BadFrame, BadTime, MienError, NoWorker, SessionLost, TooLong
from mien.contract.live_messages import LiveScored
from mien.contract.options import LiveOptions
from service.gateway.live_socket import MOST_MESSAGE_BYTES
from service.pb.affect.v1 import affect_pb2 as pb
from service.pb.affect.v1.affect_pb2_grpc import AffectServiceStub
from tests.processes import HANG_S, gateway, grpc_address, private_redis, wait_for, worker
from tests.videos import picture, scene, still

FPS = 15


def jpeg(pixels) -> bytes:
    return cv2.imencode(".jpg", pixels[:, :, ::-1])[1].tobytes()


PICTURES = [jpeg(pixels) for pixels in scene([still()], seconds=3.0, fps=FPS)]
FACELESS = jpeg(picture(0.0, []))


def filmed(pictures=PICTURES, *, pace: float = 1.0) -> Iterator[tuple[float, bytes]]:
    """The pictures at 15 a second, sent `pace` times as slowly."""
    for k, one in enumerate(pictures):
        time.sleep(pace / FPS)
        yield k / FPS, one


def endless(ended: threading.Event) -> Iterator[tuple[float, bytes]]:
    """The pictures again and again until `ended`, more slowly after each round: some time every machine keeps up."""
    pace = 1.0
    for k, one in enumerate(cycle(PICTURES)):
        if ended.wait(pace / FPS):
            return
        pace *= 1 + 1 / len(PICTURES)
        yield k / FPS, one


Scored = TypeVar("Scored", LiveScored, pb.AnalyzeLiveResponse)


def kept_up(live: Callable[[float], Iterable[Scored]]) -> list[Scored]:
    """Run a live analysis, twice as slowly each time, until the machine has kept up with all its frames."""
    for doubled in range(10):
        try:
            scored = list(live(2**doubled))
        except NoWorker:
            continue
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            continue
        if scored and scored[-1].dropped_frames == 0:
            return scored
    raise AssertionError("frames are dropped, however slowly they come")


@pytest.fixture(scope="module")
def running(redis_server, tmp_path_factory):
    """A gateway and a worker with one place for a live analysis."""
    folder = tmp_path_factory.mktemp("live")
    with (
        gateway(folder, redis_server, upload_idle_s=HANG_S) as (process, url),
        worker(folder, redis_server, live_slots=1),
    ):
        yield url, grpc_address(process)


@pytest.fixture(scope="module")
def hasty(running, redis_server, tmp_path_factory):
    """A socket's address at another gateway, which waits for two seconds."""
    with gateway(tmp_path_factory.mktemp("hasty"), redis_server, upload_idle_s=2) as (_, url):
        yield url.replace("http", "ws") + "/live"


@pytest.fixture
def mien(running) -> Iterator[Mien]:
    with Mien(running[0]) as client:
        yield client


@pytest.fixture
def socket(running) -> Iterator[ClientConnection]:
    with connect(running[0].replace("http", "ws") + "/live", open_timeout=HANG_S) as opened:
        yield opened


def frame(time_s: float, content: bytes) -> bytes:
    return struct.pack("!d", time_s) + content


def problem(socket: ClientConnection) -> dict[str, object]:
    """The problem that the service tells before it closes the socket."""
    told = None
    with suppress(ConnectionClosed):
        while True:
            told = json.loads(socket.recv(timeout=HANG_S))
    assert told is not None
    assert told["event"] == "problem"
    return told


def test_windows_come_while_frames_are_sent(mien):
    starts: list[float] = []
    enough = threading.Event()

    for scored in mien.live(endless(enough), LiveOptions(hop_s=0.25)):
        starts.append(scored.window.start_s)
        assert scored.window.expression.label
        assert scored.window.track == 0
        if len(starts) == 5:
            enough.set()

    assert starts == sorted(starts)
    assert mien.models().workers == 1


def test_a_live_analysis_says_the_same_as_an_upload(mien, face):
    reader = cv2.VideoCapture(str(face))
    pictures = []
    while (read := reader.read())[0]:
        pictures.append(cv2.imencode(".png", read[1])[1].tobytes())
    whole = mien.analyze(face).faces[0].timeline

    # One at a time, so that none is dropped.
    live = kept_up(
        lambda pace: mien.live((k / 25, one) for k, one in enumerate(pictures) if not time.sleep(0.06 * pace))
    )

    first = live[0].window
    same = next(window for window in whole if window.start_s == first.start_s)
    assert first.end_s == same.end_s
    assert first.valence == pytest.approx(same.valence, abs=0.02)


def test_frames_that_come_too_fast_are_dropped_and_counted(mien):
    flood = [(k / FPS, one) for k, one in enumerate(PICTURES * 8)]
    scored: list[LiveScored] = []
    enough = threading.Event()

    def frames() -> Iterator[tuple[float, bytes]]:
        yield from flood
        for time_s, one in endless(enough):
            yield len(flood) / FPS + time_s, one

    for one in mien.live(frames()):
        scored.append(one)
        if one.window.start_s > flood[-1][0]:
            enough.set()

    dropped = [one.dropped_frames for one in scored]
    assert dropped == sorted(dropped)
    assert dropped[-1] > 0


def test_tasks_are_chosen_and_refused(mien):
    (*_, last) = kept_up(lambda pace: mien.live(filmed(pace=pace), LiveOptions(tasks=("dimensions",), hop_s=0.5)))

    assert last.window.expression is None
    assert last.window.valence is not None


def test_frames_without_a_face_give_no_windows(mien):
    assert list(mien.live(filmed([FACELESS] * 20))) == []
    assert list(mien.live(iter([]))) == []


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        ([(0.0, PICTURES[0]), (0.1, b"\xff\xd8\xff no picture")], BadFrame),
        ([(0.0, PICTURES[0]), (0.1, b"GIF89a")], BadFrame),
        ([(0.0, PICTURES[0]), (0.1, bytes(2 << 20))], BadFrame),
        ([(0.0, PICTURES[0]), (0.1, jpeg(picture(0.0, [], (160, 120))))], BadFrame),
        ([(1.0, PICTURES[0]), (1.0, PICTURES[1])], BadTime),
        ([(1.0, PICTURES[0]), (0.5, PICTURES[1])], BadTime),
        ([(1.0, PICTURES[0]), (1e9, PICTURES[1])], BadTime),
        ([(1.0, PICTURES[0]), (float("nan"), PICTURES[1])], BadTime),
        ([(float("inf"), PICTURES[0])], BadTime),
    ],
)
def test_a_wrong_frame_ends_it_with_its_error_and_the_next_one_works(mien, frames, error):
    told = threading.Event()

    def slowly():
        for one in frames:
            time.sleep(0.05)
            yield one
        told.wait(HANG_S)  # the service tells it, not the end

    with pytest.raises(error):
        list(mien.live(slowly()))
    told.set()

    wait_for(lambda: works(mien))


def test_where_all_places_are_taken_the_answer_is_to_try_again(mien):
    ended = threading.Event()
    first = mien.live(endless(ended))
    next(first)
    with pytest.raises(NoWorker):
        next(mien.live(filmed()))
    ended.set()
    list(first)

    wait_for(lambda: works(mien))


def test_by_default_several_are_live_at_once(own_redis, tmp_path):
    with gateway(tmp_path, own_redis) as (_, url), worker(tmp_path, own_redis), Mien(url) as mien:
        ended = threading.Event()
        several = [mien.live(endless(ended)) for _ in range(2)]
        for scored in several:
            next(scored)
        ended.set()
        for scored in several:
            list(scored)


def test_a_client_that_vanishes_frees_its_place(mien, running):
    with connect(running[0].replace("http", "ws") + "/live", open_timeout=HANG_S) as gone:
        gone.send(json.dumps({"options": {}}))
        for time_s, content in filmed(PICTURES[:10]):
            gone.send(frame(time_s, content))
        gone.socket.close()

    wait_for(lambda: works(mien))


def test_a_gateway_that_is_killed_leaves_no_place_taken(own_redis, tmp_path):
    with worker(tmp_path, own_redis, live_slots=1):
        ended = threading.Event()
        with gateway(tmp_path, own_redis) as (killed, url), Mien(url) as mien:
            scored = mien.live(endless(ended))
            next(scored)
            killed.end(signal.SIGKILL)
            ended.set()
            with pytest.raises(MienError):
                list(scored)
        with gateway(tmp_path, own_redis) as (_, url), Mien(url) as mien:
            assert list(mien.live(filmed([FACELESS] * 2))) == []


def works(mien: Mien) -> bool:
    """Whether there is a place for a live analysis."""
    try:
        return list(mien.live(filmed([FACELESS] * 2))) == []
    except NoWorker:
        return False


@pytest.fixture
def own_redis() -> Iterator[str]:
    """Where no other worker looks."""
    with private_redis() as url:
        yield url


def test_a_worker_that_dies_cuts_it_off_and_the_next_worker_takes_the_next(own_redis, tmp_path):
    with gateway(tmp_path, own_redis) as (_, url), Mien(url) as mien:
        with worker(tmp_path, own_redis) as dying:
            ended = threading.Event()
            scored = mien.live(endless(ended))
            next(scored)
            dying.end(signal.SIGKILL)
            with pytest.raises(SessionLost):
                list(scored)
            ended.set()
        with worker(tmp_path, own_redis):
            assert kept_up(lambda pace: mien.live(filmed(pace=pace)))


def test_a_worker_that_is_stopped_ends_its_live_sessions_with_an_error(own_redis, tmp_path):
    with gateway(tmp_path, own_redis) as (_, url), Mien(url) as mien, worker(tmp_path, own_redis) as stopped:
        ended = threading.Event()
        scored = mien.live(endless(ended))
        next(scored)
        stopped.send(signal.SIGTERM)
        with pytest.raises(SessionLost, match="cut off"):
            list(scored)
        ended.set()
        assert stopped.end() == 0


def test_a_live_analysis_has_a_longest_time(own_redis, tmp_path):
    with (
        gateway(tmp_path, own_redis) as (_, url),
        worker(tmp_path, own_redis, live_max_s=1),
        Mien(url) as mien,
        pytest.raises(TooLong, match="may last 1 s at most"),
    ):
        list(mien.live(filmed(PICTURES * 4)))


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["nothing"], "malformed_body"),
        ([json.dumps({"options": {"faces": 99}})], "invalid_option"),
        ([json.dumps({"options": {"colour": 1}})], "invalid_option"),
        ([json.dumps({"options": {}, "more": 1})], "malformed_body"),
        ([json.dumps({"options": {"tasks": ["dimensions", "smell"]}})], "invalid_option"),
        ([frame(0.0, PICTURES[0])], "malformed_body"),
        ([json.dumps({"options": {}}), b"short"], "bad_frame"),
        ([json.dumps({"options": {}}), frame(0.0, b"hello")], "bad_frame"),
        ([json.dumps({"options": {}}), json.dumps({"stop": True})], "malformed_body"),
        ([json.dumps({"options": {}}), PICTURES[0]], "bad_frame"),
        ([json.dumps({"options": {}}), "data:image/jpeg;base64,/9j/"], "malformed_body"),
    ],
)
def test_a_wrong_message_on_the_socket_is_an_error_and_closes_it(socket, messages, code):
    for message in messages:
        socket.send(message)

    assert problem(socket)["code"] == code
    assert socket.close_code == 1008


def test_a_message_larger_than_any_picture_closes_the_socket(socket):
    with suppress(ConnectionClosed):  # it may be closed while this is sent
        socket.send(bytes(MOST_MESSAGE_BYTES + 1))
    with pytest.raises(ConnectionClosed):
        socket.recv(HANG_S)
    assert socket.close_code == 1009


def test_a_socket_that_says_nothing_is_closed(hasty):
    with connect(hasty, open_timeout=HANG_S) as socket:
        told = problem(socket)

    assert (told["code"], told["status"]) == ("upload_stalled", 408)


def test_frames_that_stay_away_end_it(hasty):
    with connect(hasty, open_timeout=HANG_S) as socket:
        socket.send(json.dumps({"options": {}}))
        socket.send(frame(0.0, PICTURES[0]))
        told = problem(socket)

    assert (told["code"], told["status"]) == ("frames_stalled", 408)


def test_a_page_of_another_site_cannot_open_the_socket(running):
    address = running[0].replace("http", "ws") + "/live"

    with pytest.raises(InvalidStatus) as refused:
        connect(address, origin="https://elsewhere.example", open_timeout=HANG_S)
    assert refused.value.response.status_code == 403
    with connect(address, origin=running[0], open_timeout=HANG_S) as own:
        own.send("{}")
        assert problem(own)["code"] == "malformed_body"


def live_request(frames: Callable[[], Iterator[tuple[float, bytes]]]) -> Iterator[pb.AnalyzeLiveRequest]:
    yield pb.AnalyzeLiveRequest(options=pb.LiveOptions(hop_s=0.25))
    for time_s, content in frames():
        yield pb.AnalyzeLiveRequest(frame=pb.LiveFrame(time_s=time_s, jpeg=content))


def test_grpc_streams_frames_up_and_windows_down(running):
    with grpc.insecure_channel(running[1]) as channel:
        stub = AffectServiceStub(channel)
        answers = kept_up(lambda pace: stub.AnalyzeLive(live_request(lambda: filmed(pace=pace))))

    assert len(answers) >= 5
    assert answers[0].window.scores.expression.label


def test_grpc_takes_raw_pixels(running):
    def requests(pace: float):
        yield pb.AnalyzeLiveRequest(options=pb.LiveOptions())
        for time_s, pixels in filmed(scene([still()], seconds=1.6, fps=FPS), pace=pace):
            raw = pb.RawImage(width=320, height=240, rgb=pixels.tobytes())
            yield pb.AnalyzeLiveRequest(frame=pb.LiveFrame(time_s=time_s, raw=raw))

    with grpc.insecure_channel(running[1]) as channel:
        assert kept_up(lambda pace: AffectServiceStub(channel).AnalyzeLive(requests(pace)))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ([pb.AnalyzeLiveRequest(frame=pb.LiveFrame())], "malformed_body"),
        ([], "malformed_body"),
        ([pb.AnalyzeLiveRequest(options=pb.LiveOptions(faces=99))], "invalid_option"),
        (
            [
                pb.AnalyzeLiveRequest(options=pb.LiveOptions()),
                pb.AnalyzeLiveRequest(options=pb.LiveOptions()),
            ],
            "malformed_body",
        ),
        ([pb.AnalyzeLiveRequest(options=pb.LiveOptions()), pb.AnalyzeLiveRequest(frame=pb.LiveFrame())], "bad_frame"),
        (
            [
                pb.AnalyzeLiveRequest(options=pb.LiveOptions()),
                pb.AnalyzeLiveRequest(frame=pb.LiveFrame(raw=pb.RawImage(width=1 << 20, height=1 << 20, rgb=b"123"))),
            ],
            "too_many_pixels",
        ),
    ],
)
def test_grpc_tells_what_is_wrong(running, request_, reason):
    with grpc.insecure_channel(running[1]) as channel, pytest.raises(grpc.RpcError) as refused:
        list(AffectServiceStub(channel).AnalyzeLive(iter(request_)))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason in dict(refused.value.trailing_metadata())["grpc-status-details-bin"].decode("latin-1")
