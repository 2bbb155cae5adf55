"""`affect.v1.AffectService`, with a worker played by the test and a client with its default limits."""

from __future__ import annotations

import base64
import itertools
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from mien.contract.events import FaceWindow
from mien.contract.results import Expression, Face, FacePicture, Findings, ModelInfo, Progress, Video, Window
from service.pb.affect.v1 import affect_pb2 as pb
from service.pb.affect.v1.affect_pb2_grpc import AffectServiceStub
from service.queue.consumer import Attempt, Consumer
from tests.contract.helpers import BROKEN_VIDEO, Queue, fail, lapse, take
from tests.processes import HANG_S, gateway, grpc_address, wait_for

MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(5000)
OPTIONS = pb.AnalyzeRequest(options=pb.Options())


@pytest.fixture
def stub(running) -> Iterator[AffectServiceStub]:
    with grpc.insecure_channel(grpc_address(running.process)) as channel:
        yield AffectServiceStub(channel)


def parts(*chunks: bytes, first: pb.AnalyzeRequest = OPTIONS) -> Iterator[pb.AnalyzeRequest]:
    yield first
    for chunk in chunks:
        yield pb.AnalyzeRequest(chunk=chunk)


def window(start_s: float = 0.0, track: int = 0) -> FaceWindow:
    expression = Expression(label="happiness", scores={"happiness": 0.75, "neutral": 0.25})
    return FaceWindow(track=track, start_s=start_s, end_s=start_s + 1, expression=expression, valence=0.5, quality=0.75)


def findings(faces: int = 1, windows: int = 2) -> Findings:
    def face(track: int) -> Face:
        line = [Window(**window(0.24 * i).model_dump(exclude={"track"}, exclude_unset=True)) for i in range(windows)]
        path = [(0.1 * i, 10, 20, 100, 120) for i in range(3 * windows)]
        return Face(
            track=track, start_s=0, end_s=9, coverage=0.5, personality={"openness": 0.25}, timeline=line, path=path
        )

    return Findings(
        video=Video(duration_s=9, fps=None, width=640, height=480, frames=90),
        faces=[face(track) for track in range(faces)],
        models=[ModelInfo(name="m", version="1", sha256="ab", trained=True, tasks=["expression"], precision="int8")],
        warnings=["dark"],
    )


def succeed(worker: Consumer, attempt: Attempt, folder: Path, found: Findings) -> None:
    name = f"results/{attempt.job_id}.{attempt.fence}"
    (folder / "blobs/results").mkdir(parents=True, exist_ok=True)
    (folder / "blobs" / name).write_text(found.model_dump_json(exclude_unset=True))
    assert worker.commit_success(attempt, result=name, decode_ms=3, inference_ms=4)


def blobs(running) -> list[Path]:
    return [file for file in (running.folder / "blobs").rglob("*") if file.is_file()]


def details(error: grpc.RpcError) -> dict[str, object]:
    """The `google.rpc` details of a status by their names."""
    trailing = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    found = {}
    for packed in status.details:
        name = packed.type_url.rpartition(".")[2]
        found[name] = getattr(error_details_pb2, name)()
        packed.Unpack(found[name])
    assert found["RequestInfo"].request_id == trailing["x-request-id"]
    return found


@contextmanager
def refused(code: grpc.StatusCode, reason: str) -> Iterator[dict[str, object]]:
    told: dict[str, object] = {}
    with pytest.raises(grpc.RpcError) as caught:
        yield told
    assert caught.value.code() is code
    told |= details(caught.value)
    assert told["ErrorInfo"].reason == reason
    assert told["ErrorInfo"].domain == "mien"


def in_time(call: Callable[[], None]) -> None:
    """Call until the first message arrives before a hasty gateway has given it up."""
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if "No message came" not in error.details():
                raise


def kinds(events: Iterable[pb.Event]) -> list[str]:
    return [event.WhichOneof("what") for event in events]


def watch(stub: AffectServiceStub, job_id: str, after: str = "") -> list[pb.Event]:
    request = pb.WatchAnalysisRequest(id=job_id, after_event_id=after)
    return [answer.event for answer in stub.WatchAnalysis(request, timeout=HANG_S)]


def test_a_video_goes_up_and_everything_comes_down(running, queue: Queue, stub):
    options = pb.Options(faces=3, start_s=1, hop_s=0.5, tasks=[pb.TASK_EXPRESSION])
    answers = stub.Analyze(parts(MP4[:9], MP4[9:], first=pb.AnalyzeRequest(options=options)), timeout=HANG_S)

    accepted = next(answers).accepted
    assert (accepted.state, accepted.created_at.seconds > 1.7e9) == (pb.STATE_QUEUED, True)
    assert queue.find(accepted.id).upload
    ann = queue.worker()
    attempt = take(ann)
    assert (attempt.options.faces, attempt.options.start_s, attempt.options.hop_s) == (3, 1.0, 0.5)
    assert list(attempt.options.tasks) == ["expression"]
    assert (running.folder / "blobs" / queue.find(accepted.id).upload).read_bytes() == MP4
    ann.report(attempt, [window(0.5), Progress(done_s=1.5, total_s=None)], 1)
    events = [next(answers).event for _ in range(3)]  # while the analysis is still under way
    assert kinds(events) == ["began", "window", "progress"]
    seen = events[1].window
    assert (seen.track, seen.start_s, seen.end_s, seen.scores.valence) == (0, 0.5, 1.5, 0.5)
    assert (seen.scores.expression.label, dict(seen.scores.expression.scores)) == (
        "happiness",
        {"happiness": 0.75, "neutral": 0.25},
    )
    assert not seen.scores.HasField("arousal")
    assert seen.quality == 0.75
    assert (events[2].progress.done_s, events[2].progress.HasField("total_s")) == (1.5, False)
    succeed(ann, attempt, running.folder, findings())

    face, ended = (answer.event for answer in answers)

    assert (face.face.track, face.face.coverage, dict(face.face.personality)) == (0, 0.5, {"openness": 0.25})
    assert (len(face.face.path), len(face.face.timeline)) == (6, 0)  # each window came as it was scored
    assert face.face.path[1] == pb.PathPoint(time_s=0.1, x=10, y=20, width=100, height=120)
    assert (ended.ended.state, list(ended.ended.warnings)) == (pb.STATE_SUCCEEDED, ["dark"])
    assert ended.ended.video == pb.Video(duration_s=9, width=640, height=480, frames=90)
    assert ended.ended.models[0] == pb.Model(
        name="m", version="1", sha256="ab", trained=True, tasks=[pb.TASK_EXPRESSION], precision="int8"
    )
    assert (ended.ended.timings.decode_ms, ended.ended.timings.inference_ms) == (3, 4)


def test_reading_gives_all_but_timelines_and_paths(running, queue: Queue, stub):
    queue.submit("a")
    assert stub.GetAnalysis(pb.GetAnalysisRequest(id="a")).analysis.state == pb.STATE_QUEUED
    ann = queue.worker()
    succeed(ann, take(ann), running.folder, findings())

    analysis = stub.GetAnalysis(pb.GetAnalysisRequest(id="a")).analysis

    assert analysis.state == pb.STATE_SUCCEEDED
    assert analysis.expires_at.seconds > analysis.created_at.seconds
    (face,) = analysis.faces
    assert (face.coverage, len(face.timeline), len(face.path)) == (0.5, 0, 0)


def test_more_faces_than_a_message_has_room_for_are_counted_and_streamed(running, queue: Queue, stub):
    first = pb.AnalyzeRequest(options=pb.Options(), idempotency_key="k-2")
    call = stub.Analyze(parts(MP4, first=first), timeout=HANG_S)
    job_id = next(call).accepted.id
    call.cancel()
    ann = queue.worker()
    found = findings(faces=5000, windows=0)
    for face in found.faces:
        face.personality = {f"a trait with a long name, number {number}": 0.5 for number in range(5)}
    succeed(ann, take(ann), running.folder, found)

    analysis = stub.GetAnalysis(pb.GetAnalysisRequest(id=job_id)).analysis
    accepted, *events = stub.Analyze(parts(MP4, first=first), timeout=HANG_S)  # a repeat

    assert min(len(analysis.faces), analysis.more_faces) > 100
    assert len(analysis.faces) + analysis.more_faces == 5000
    assert (accepted.accepted.id, accepted.accepted.state) == (job_id, pb.STATE_SUCCEEDED)
    assert not accepted.accepted.faces
    tracks = [answer.event.face.track for answer in events if answer.event.HasField("face")]
    assert tracks == [face.track for face in found.faces]


def test_who_comes_late_gets_the_windows_with_the_faces(running, queue: Queue, stub):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    ann.report(attempt, [window(0.0), window(0.24), Progress(done_s=1, total_s=9)], 1)
    succeed(ann, attempt, running.folder, findings())

    whole, resumed = watch(stub, "a"), watch(stub, "a", "1-2")

    assert kinds(whole) == ["began", "window", "window", "progress", "face", "ended"]
    assert not whole[-2].face.timeline
    assert kinds(resumed) == ["progress", "face", "ended"]
    assert [one.start_s for one in resumed[1].face.timeline] == [0.0, 0.24]
    assert resumed[-1].event_id == whole[-1].event_id != ""
    assert watch(stub, "a", whole[-1].event_id) == []


def test_an_hour_of_four_faces_passes_default_limits(running, queue: Queue, stub):
    ann = queue.worker()
    queue.submit("a")
    attempt = take(ann)
    first = 1
    for start in range(0, 8192, 256):  # more events than are kept
        ann.report(attempt, [window(0.24 * (start + i)) for i in range(256)], first)
        first += 256
    found = findings(faces=4, windows=15_000)
    succeed(ann, attempt, running.folder, found)

    events = watch(stub, "a")

    assert events[0].WhichOneof("what") == "snapshot"
    assert max(event.ByteSize() for event in events) < 1 << 20
    for face in found.faces:
        pieces = [event.face for event in events if event.HasField("face") and event.face.track == face.track]
        assert [one.start_s for piece in pieces for one in piece.timeline] == [one.start_s for one in face.timeline]
        assert sum(len(piece.path) for piece in pieces) == len(face.path)
        assert [piece.coverage for piece in pieces if piece.coverage] == [0.5]


def test_pictures_of_faces_are_asked_for_and_come_with_the_faces(running, queue: Queue, stub):
    options = pb.AnalyzeRequest(options=pb.Options(pictures=True))
    answers = stub.Analyze(parts(MP4, first=options), timeout=HANG_S)
    accepted = next(answers).accepted
    ann = queue.worker()
    attempt = take(ann)
    assert attempt.options.pictures
    found = findings()
    jpegs = [bytes([number]) * 10_000 for number in range(240)]  # as many and as large as a worker makes them
    found.faces[0].pictures = [
        FacePicture(time_s=number, jpeg=base64.b64encode(jpeg).decode()) for number, jpeg in enumerate(jpegs)
    ]
    succeed(ann, attempt, running.folder, found)

    for events in ([answer.event for answer in answers], watch(stub, accepted.id)):
        pieces = [event.face for event in events if event.HasField("face")]
        assert max(piece.ByteSize() for piece in pieces) < 1 << 20
        pictures = [picture for piece in pieces for picture in piece.pictures]
        assert [(picture.time_s, picture.jpeg) for picture in pictures] == list(enumerate(jpegs))
        assert [piece.coverage for piece in pieces if piece.coverage] == [0.5]
    assert not stub.GetAnalysis(pb.GetAnalysisRequest(id=accepted.id)).analysis.faces[0].pictures


def test_who_does_not_read_is_let_go(redis_url, queue: Queue, tmp_path):
    ann = queue.worker()
    queue.submit("a")
    succeed(ann, take(ann), tmp_path, findings(faces=4, windows=15_000))

    def watch_with_a_pause(channel: grpc.Channel, pause_s: float) -> None:
        for number, _ in enumerate(AffectServiceStub(channel).WatchAnalysis(pb.WatchAnalysisRequest(id="a"))):
            if number == 1:
                time.sleep(pause_s)

    # Without probes the client's window stays small, and what is not read waits at the server.
    options = [("grpc.http2.bdp_probe", 0)]
    with (
        gateway(tmp_path, redis_url, upload_idle_s=1) as (process, _),
        grpc.insecure_channel(grpc_address(process), options) as channel,
        refused(grpc.StatusCode.DEADLINE_EXCEEDED, "answer_not_read"),
    ):
        for pause_s in (3, 9, 27, 81):  # a second is allowed, which a busy gateway may notice late
            in_time(partial(watch_with_a_pause, channel, pause_s))


def test_failure_deletion_and_a_second_attempt_are_events(running, queue: Queue, stub):
    ann, bob = queue.worker("ann"), queue.worker("bob")
    queue.submit("a")
    old = take(ann)
    ann.report(old, [window()], 1)
    lapse(queue.redis)
    fail(bob, take(bob))

    events = watch(stub, "a")

    assert kinds(events) == ["began", "ended"]  # what the first attempt told is void
    assert events[0].began.attempt == 2
    assert (events[-1].ended.state, events[-1].ended.error.code) == (pb.STATE_FAILED, BROKEN_VIDEO.code)

    queue.submit("b")
    take(bob)
    watching = stub.WatchAnalysis(pb.WatchAnalysisRequest(id="b"), timeout=HANG_S)
    assert kinds([next(watching).event]) == ["began"]
    stub.CancelAnalysis(pb.CancelAnalysisRequest(id="b"))
    assert [answer.event.ended.state for answer in watching] == [pb.STATE_CANCELLED]
    with refused(grpc.StatusCode.NOT_FOUND, "expired"):
        stub.CancelAnalysis(pb.CancelAnalysisRequest(id="b"))


def test_lists_come_in_pages(queue: Queue, stub):
    for name in "abc":
        queue.submit(name)
        time.sleep(0.002)

    first = stub.ListAnalyses(pb.ListAnalysesRequest(page_size=2))
    second = stub.ListAnalyses(pb.ListAnalysesRequest(page_size=2, page_token=first.next_page_token))

    assert [one.id for one in first.analyses] == ["c", "b"]
    assert ([one.id for one in second.analyses], second.next_page_token) == (["a"], "")
    assert len(stub.ListAnalyses(pb.ListAnalysesRequest()).analyses) == 3
    assert not stub.ListAnalyses(pb.ListAnalysesRequest(state=pb.STATE_FAILED)).analyses
    for wrong in ({"page_size": 101}, {"page_token": "no"}, {"state": pb.STATE_CANCELLED}):
        with refused(grpc.StatusCode.INVALID_ARGUMENT, "invalid_option"):
            stub.ListAnalyses(pb.ListAnalysesRequest(**wrong))


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "malformed_body"),
        ([pb.AnalyzeRequest(chunk=MP4)], "malformed_body"),
        ([OPTIONS, pb.AnalyzeRequest(chunk=MP4), OPTIONS], "malformed_body"),
        ([OPTIONS, pb.AnalyzeRequest()], "malformed_body"),
        ([OPTIONS, pb.AnalyzeRequest(chunk=MP4 + bytes(256 << 10))], "malformed_body"),
        ([OPTIONS], "empty_upload"),
        ([OPTIONS, pb.AnalyzeRequest(chunk=b"no video at all")], "unsupported_container"),
        ([pb.AnalyzeRequest(options=pb.Options(faces=99))], "invalid_option"),
        ([pb.AnalyzeRequest(options=pb.Options(start_s=float("nan")))], "invalid_option"),
        ([pb.AnalyzeRequest(options=pb.Options(tasks=[7]))], "invalid_option"),
        ([pb.AnalyzeRequest(options=pb.Options(), idempotency_key="a b")], "invalid_option"),
        ([pb.AnalyzeRequest(options=pb.Options(), size_bytes=6_000_000)], "upload_too_large"),
        (
            [OPTIONS, *[pb.AnalyzeRequest(chunk=MP4 + bytes(200_000))] * 30],
            "upload_too_large",
        ),
        (
            [pb.AnalyzeRequest(options=pb.Options(), size_bytes=9000), pb.AnalyzeRequest(chunk=MP4)],
            "malformed_body",
        ),
        (
            [pb.AnalyzeRequest(options=pb.Options(), size_bytes=90), pb.AnalyzeRequest(chunk=MP4)],
            "malformed_body",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_refused_and_leaves_nothing(running, queue: Queue, stub, messages, reason):
    with refused(grpc.StatusCode.INVALID_ARGUMENT, reason) as told:
        list(stub.Analyze(iter(messages), timeout=HANG_S))

    assert ("BadRequest" in told) == (reason not in ("unsupported_container", "upload_too_large"))
    wait_for(lambda: queue.is_idle() and not blobs(running))


def test_a_picture_of_the_largest_size_is_received(stub):
    frame = pb.LiveFrame(time_s=1.5, jpeg=bytes(1 << 20))
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "malformed_body"):  # for the options are missing
        list(stub.AnalyzeLive(iter([pb.AnalyzeLiveRequest(frame=frame)]), timeout=HANG_S))


def test_unknown_analyses_and_events(queue: Queue, stub):
    queue.submit("a")
    for call, request in (
        (stub.GetAnalysis, pb.GetAnalysisRequest(id="none")),
        (stub.CancelAnalysis, pb.CancelAnalysisRequest(id="none")),
        (lambda request: list(stub.WatchAnalysis(request)), pb.WatchAnalysisRequest(id="none")),
    ):
        with refused(grpc.StatusCode.NOT_FOUND, "not_found"):
            call(request)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "invalid_option"):
        watch(stub, "a", "7-7")


def test_an_upload_that_stands_still_is_ended(hasty, queue: Queue):
    held = threading.Event()

    def stalling() -> Iterator[pb.AnalyzeRequest]:
        yield from parts(MP4)
        held.wait(HANG_S)

    with grpc.insecure_channel(grpc_address(hasty.process)) as channel:
        grpc.channel_ready_future(channel).result(HANG_S)
        stub = AffectServiceStub(channel)
        try:
            with refused(grpc.StatusCode.DEADLINE_EXCEEDED, "upload_stalled"):
                in_time(lambda: list(stub.Analyze(stalling(), timeout=HANG_S)))
        finally:
            held.set()
    wait_for(queue.is_idle)


@pytest.mark.parametrize("ending", ["cancelled", "deadline", "gone"])
def test_a_call_that_ends_in_mid_upload_leaves_nothing(running, queue: Queue, ending):
    held = threading.Event()

    def endless() -> Iterator[pb.AnalyzeRequest]:
        yield from parts(MP4)
        while not held.wait(0.02):
            yield pb.AnalyzeRequest(chunk=bytes(100))

    def under_way() -> bool:
        return bool(queue.redis.keys("*"))

    channel = grpc.insecure_channel(grpc_address(running.process))
    deadline_s = 0.6 if ending == "deadline" else HANG_S
    while not under_way():
        call = AffectServiceStub(channel).Analyze(endless(), timeout=deadline_s)
        wait_for(lambda: under_way() or not call.is_active())  # noqa: B023 - called at once
        deadline_s *= 2
    if ending == "cancelled":
        call.cancel()
    elif ending == "gone":
        channel.close()
    with pytest.raises(grpc.RpcError):
        list(call)
    held.set()
    channel.close()

    wait_for(lambda: queue.is_idle() and not blobs(running))


def test_a_call_that_ends_after_it_was_accepted_cancels_nothing(queue: Queue, stub):
    call = stub.Analyze(parts(MP4), timeout=HANG_S)
    job_id = next(call).accepted.id
    call.cancel()
    time.sleep(0.3)

    assert take(queue.worker()).job_id == job_id


def test_a_repeat_joins_the_analysis(running, queue: Queue, stub):
    first = pb.AnalyzeRequest(options=pb.Options(), idempotency_key="k-1")

    def accepted(*chunks: bytes) -> str:
        call = stub.Analyze(parts(*chunks, first=first), timeout=HANG_S)
        found = next(call).accepted.id
        call.cancel()
        return found

    assert accepted(MP4) == accepted(MP4[:20], MP4[20:])
    assert queue.depth() == 1
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "idempotency_key_reused"):
        accepted(MP4, b"more")
    answer = running.http.post("/analyze", content=MP4, headers={"Idempotency-Key": "k-1", "Prefer": "respond-async"})
    assert answer.json()["id"] == accepted(MP4)  # one key at both doors


def test_health_and_reflection(running):
    with grpc.insecure_channel(grpc_address(running.process)) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "affect.v1.AffectService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflected = ProtoReflectionDescriptorDatabase(channel)
        assert "affect.v1.AffectService" in reflected.get_services()
        methods = reflected.FindFileContainingSymbol("affect.v1.AffectService").service[0].method
        assert [method.name for method in methods] == [
            method.name for method in pb.DESCRIPTOR.services_by_name["AffectService"].methods
        ]


def test_watchers_of_a_gateway_that_is_stopped_are_sent_elsewhere(redis_url, queue: Queue, tmp_path):
    queue.submit("a")
    take(queue.worker())
    with (
        gateway(tmp_path, redis_url) as (process, _),
        grpc.insecure_channel(grpc_address(process)) as channel,
    ):
        watching = AffectServiceStub(channel).WatchAnalysis(pb.WatchAnalysisRequest(id="a"), timeout=HANG_S)
        assert kinds([next(watching).event]) == ["began"]
        process.send(signal.SIGTERM)
        with refused(grpc.StatusCode.UNAVAILABLE, "queue_unavailable") as told:
            list(watching)
        assert told["RetryInfo"].retry_delay.seconds == 1
        assert process.popen.wait(HANG_S) == 0


def test_calls_over_the_bound_are_refused(redis_url, queue: Queue, tmp_path):
    queue.submit("a")
    take(queue.worker())
    with (
        gateway(tmp_path, redis_url, grpc_max_calls=2) as (process, _),
        grpc.insecure_channel(grpc_address(process)) as channel,
    ):
        stub = AffectServiceStub(channel)
        calls = [stub.WatchAnalysis(pb.WatchAnalysisRequest(id="a"), timeout=HANG_S) for _ in range(2)]
        assert kinds(next(call).event for call in calls) == ["began"] * 2
        assert _code(stub) is grpc.StatusCode.RESOURCE_EXHAUSTED
        calls[0].cancel()
        wait_for(lambda: _code(stub) is None)
        calls[1].cancel()


def _code(stub: AffectServiceStub) -> grpc.StatusCode | None:
    """Return the code that a call is refused with, or None."""
    try:
        assert stub.GetAnalysis(pb.GetAnalysisRequest(id="a")).analysis.id == "a"
    except grpc.RpcError as error:
        return error.code()
    return None


def test_the_port_that_is_taken_is_said(redis_url, running, tmp_path):
    port = grpc_address(running.process).rpartition(":")[2]
    with (
        pytest.raises(AssertionError, match=rf"gRPC cannot listen on port {port}"),
        gateway(tmp_path, redis_url, grpc_port=port),
    ):
        pass


def test_request_ids_go_through(stub):
    _, call = stub.ListAnalyses.with_call(pb.ListAnalysesRequest(), metadata=(("x-request-id", "mine-1"),))

    assert dict(call.trailing_metadata())["x-request-id"] == "mine-1"
    assert len(list(itertools.islice(call.trailing_metadata(), 5))) == 1
