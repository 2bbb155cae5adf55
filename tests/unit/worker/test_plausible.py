from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from multiprocessing import Pipe
from pathlib import Path

import numpy as np
import pytest

from mien.contract.errors import CannotDecode
from service.vision.clips import Clip, ClipSpec, FaceSeen, Limits, Progressed, TimedBox, VideoEnded
from service.worker.decode_child import Assignment, VideoPart
from service.worker.pipe import Event
from service.worker.plausible import most_results, plausible

SPEC = ClipSpec(frames=8, interval_s=0.08, size=2, margin=0.2, hop_s=0.24)
CLIP = Clip(0, 0, 0.0, 0.64, 8, 0.5, (0, 0, 9, 9), np.zeros((8, 2, 2, 3), np.uint8))
FACE = FaceSeen(0, 0.0, 1.0, 9, [TimedBox(0, 0, 0, 9, 9)] * 50)


def assignment(source=None, *, start_s: float = 0.0, end_s: float | None = 10.0) -> Assignment:
    return Assignment(
        source or VideoPart(Path("v"), start_s, end_s), [SPEC], faces=2, yunet=None,
        limits=Limits(10**6, 3600, 10**6, 10**12), memory_bytes=1, cpu_s=1,
    )  # fmt: skip


def ended(samples: int) -> VideoEnded:
    return VideoEnded(10.0, None, 9, 9, 100, samples, [])


def test_what_a_video_can_give_passes():
    # Two faces for ten seconds: each in one window every 0.24 s, and at most twelve points of a path a second.
    faces = [FaceSeen(track, 0.0, 10.0, 125, [TimedBox(0, 0, 0, 9, 9)] * 120) for track in (0, 1)]
    events: list[Event] = [*[CLIP] * 84, *faces, Progressed(10.0), ended(125)]

    assert list(plausible(events, assignment())) == events


@pytest.mark.parametrize("result", [CLIP, FACE], ids=["clips", "faces"])
def test_a_child_that_sends_results_without_end_is_cut_off(result: Event):
    given: list[Event] = []
    with pytest.raises(CannotDecode):
        given.extend(plausible(repeat(result), assignment()))

    assert 0 < len(given) <= most_results(assignment())


def test_a_part_of_the_video_has_its_share_of_results():
    whole = most_results(assignment(end_s=None))
    assert most_results(assignment(end_s=1e300)) == whole
    assert most_results(assignment(end_s=36.0)) == pytest.approx(whole / 100, rel=0.01)
    # The longest duration is that of the part, wherever it begins.
    assert most_results(assignment(start_s=5000.0, end_s=5036.0)) == pytest.approx(whole / 100, rel=0.01)
    assert most_results(assignment(start_s=5000.0, end_s=None)) == whole


def test_faces_of_a_video_without_samples_are_refused():
    with pytest.raises(CannotDecode):
        list(plausible([FACE, ended(samples=0)], assignment()))

    assert list(plausible([ended(samples=0)], assignment()))


def test_live_frames_have_no_end_that_is_known():
    reader, writer = Pipe(duplex=False)
    with reader, writer:

        def clips() -> Iterator[Event]:
            yield from repeat(CLIP, 10_000)

        assert sum(1 for _ in plausible(clips(), assignment(reader))) == 10_000
