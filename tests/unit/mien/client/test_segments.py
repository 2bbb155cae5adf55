import pytest

from mien.client.segments import segments, shares
from tests.unit.mien.analyses import face, window


def test_windows_that_overlap_meet_halfway_between_their_centres():
    timeline = [window(0.0), window(0.5), window(1.0), window(5.0)]

    assert [(one.start_s, one.end_s) for one in segments(timeline)] == [(0, 0.75), (0.75, 1.25), (1.25, 2), (5, 6)]


def test_shares_count_each_moment_once():
    seen = face(0, window(0.0), window(0.5, "neutral"), window(1.0, "neutral"))
    assert shares(seen) == pytest.approx({"neutral": 1.25 / 2, "happiness": 0.75 / 2})
    assert list(shares(seen)) == ["neutral", "happiness"]
    assert shares(face(0)) == {}
