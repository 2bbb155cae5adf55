"""Bound what a decode child sends: no more than its assignment can give, and nothing that contradicts itself.

A video that takes its child over could otherwise fill the worker's memory. `pipe.py` checks each message by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from mien.contract.errors import CannotDecode
from service.vision.clips import Clip, FaceSeen, VideoEnded
from service.vision.sampling import LONGEST_STEP_S
from service.worker.decode_child import Assignment, VideoPart
from service.worker.pipe import MISBEHAVES, Event

# A face that leaves and the one that takes its place may both be followed for a moment.
_SLACK = 2


def plausible(events: Iterable[Event | None], assignment: Assignment) -> Iterator[Event | None]:
    """Yield a child's events, and None where it is silent, as long as they are plausible.

    Raises:
        CannotDecode: they are not.
    """
    left = most_results(assignment)
    faces = 0
    for event in events:
        if isinstance(event, Clip):
            left -= 1
        elif isinstance(event, FaceSeen):
            left -= 1 + len(event.path)
            faces += 1
        if left < 0 or (isinstance(event, VideoEnded) and faces and not event.samples):
            raise CannotDecode(MISBEHAVES)
        yield event


def most_results(assignment: Assignment) -> float:
    """Return how many clips, faces and points of their paths a child may send; live frames have no limit here.

    At each sampled instant, each face gives at most one clip for each spec, one point of its path, and one end.
    """
    if not isinstance(assignment.source, VideoPart):
        return inf
    most_s = assignment.limits.max_duration_s  # of the part
    if assignment.source.end_s is not None:
        most_s = min(most_s, max(0.0, assignment.source.end_s - assignment.source.start_s))
    steps_s = [LONGEST_STEP_S, *(spec.interval_s for spec in assignment.specs)]
    instants = sum(most_s / step_s + 1 for step_s in steps_s)
    return _SLACK * assignment.faces * instants * (len(assignment.specs) + 2)
