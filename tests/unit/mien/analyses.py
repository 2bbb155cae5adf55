"""Analyses made for tests of the client and the command line."""

from __future__ import annotations

from datetime import UTC, datetime

from mien.client import Analysis
from mien.contract.jobs import State
from mien.contract.results import Expression, Face, Progress, Video, Window


def window(start_s: float, label: str = "happiness", **more) -> Window:
    """A window of a second that is sure of its expression."""
    rest = {name: 0.1 for name in ("happiness", "neutral") if name != label}
    return Window(
        start_s=start_s, end_s=start_s + 1, expression=Expression(label=label, scores={label: 0.9} | rest), **more
    )


def face(track: int, *timeline: Window, **more) -> Face:
    """A face that is seen as long as its windows last."""
    ends = [0.0, *(one.end_s for one in timeline)]
    return Face(track=track, start_s=0, end_s=max(ends), coverage=1, timeline=list(timeline), path=[], **more)


def analysis(*faces: Face, **more) -> Analysis:
    """An analysis of ten seconds that has succeeded."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    video = Video(duration_s=10, fps=25, width=640, height=360, frames=250)
    known = {"id": "a1", "state": State.SUCCEEDED, "created_at": now, "progress": Progress(done_s=10, total_s=10)}
    return Analysis.model_validate(known | {"video": video, "faces": list(faces), "warnings": []} | more)
