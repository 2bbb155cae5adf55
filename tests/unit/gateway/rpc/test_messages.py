import base64
from datetime import UTC, datetime

from mien.contract.jobs import State
from mien.contract.results import Analysis, Expression, Face, FacePicture, Findings, Progress, Video, Window
from service.gateway.findings import StoredFindings
from service.gateway.rpc.messages import MOST_MESSAGE_BYTES, analysis_with_faces, face_messages, window_message

LABELS = {f"an expression with a long name, number {number}": 0.0625 for number in range(16)}
EXPRESSION = Expression(label=next(iter(LABELS)), scores=LABELS)


def face(track: int = 0, **parts) -> Face:
    return Face(
        track=track, start_s=0, end_s=9, coverage=0.5, expression=EXPRESSION, **{"timeline": [], "path": []} | parts
    )


def found(faces: list[Face]) -> StoredFindings:
    video = Video(duration_s=9, fps=25, width=9, height=9, frames=225)
    findings = Findings(video=video, models=[], warnings=["dark"], faces=faces)
    return StoredFindings(findings.model_dump_json(exclude_unset=True).encode())


ENDED = Analysis(
    id="a", state=State.SUCCEEDED, created_at=datetime.now(UTC), progress=Progress(done_s=9, total_s=9), warnings=[]
)


def test_the_quality_of_a_window_is_set_if_it_is_known():
    assert window_message(2, Window(start_s=0, end_s=1, quality=0.0)).HasField("quality")
    assert window_message(2, Window(start_s=0, end_s=1, quality=0.75)).quality == 0.75
    assert not window_message(2, Window(start_s=0, end_s=1)).HasField("quality")


def test_an_analysis_has_as_many_faces_as_a_message_has_room_for_and_says_how_many_more_there_are():
    few = analysis_with_faces(ENDED, found([face(track) for track in range(3)]))
    assert ([one.track for one in few.faces], few.more_faces) == ([0, 1, 2], 0)
    assert not analysis_with_faces(ENDED, found([])).more_faces

    many = analysis_with_faces(ENDED, found([face(track) for track in range(3000)]))

    assert 0.98 * MOST_MESSAGE_BYTES < many.ByteSize() < MOST_MESSAGE_BYTES
    assert [one.track for one in many.faces] == list(range(len(many.faces)))
    assert len(many.faces) + many.more_faces == 3000


def test_a_face_is_split_by_its_size_whatever_its_parts_are():
    windows = [
        Window(start_s=number, end_s=number + 1, expression=EXPRESSION, valence=0.5, arousal=0.5, quality=0.5)
        for number in range(1500)
    ]
    path = [(number / 7, -1, -1, 4000, 4000) for number in range(12_000)]  # a negative number takes ten bytes
    jpegs = [bytes([number]) * 20_000 for number in range(100)]
    pictures = [FacePicture(time_s=number, jpeg=base64.b64encode(jpeg).decode()) for number, jpeg in enumerate(jpegs)]

    messages = list(face_messages(face(7, timeline=windows, path=path, pictures=pictures), timeline=True))

    assert max(message.ByteSize() for message in messages) < MOST_MESSAGE_BYTES
    assert len(messages) == -(-sum(message.ByteSize() for message in messages) // MOST_MESSAGE_BYTES)
    assert {message.track for message in messages} == {7}
    assert [message.coverage for message in messages if message.coverage] == [0.5]
    assert [window.start_s for message in messages for window in message.timeline] == list(range(1500))
    assert [point.time_s for message in messages for point in message.path] == [time_s for time_s, *_ in path]
    assert [picture.jpeg for message in messages for picture in message.pictures] == jpegs
    (only,) = face_messages(face(timeline=windows), timeline=False)
    assert not only.timeline
