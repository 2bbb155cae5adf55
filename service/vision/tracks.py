"""Track faces from picture to picture.

A detector runs about every quarter of a second, once a second on the whole picture and else around the known faces;
between detections, optical flow moves the boxes. A face that was detected several times becomes a person and gets the
next number, or its old number if it is certain that this person has come back. A cut ends all tracks; a dissolve or a
wipe ends the tracks whose faces it replaces. A flash is no cut: while it dazzles, the tracks wait. The tracker is
causal and keeps less than three seconds of pictures, small. Boxes are in pixels of the given pictures, times in seconds
of the media clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from service.vision.boxes import Box, intersection_over_smaller, iou
from service.vision.faces import Detection, FaceDetector
from service.vision.flow import Flow, corners, follow, follow_face, grid, motion
from service.vision.reidentification import ALIKE, PersonGallery, View, view
from service.vision.shots import SURVIVORS, Flash, is_cut, may_be_cut
from service.vision.small_picture import Gray, SmallPicture
from service.vision.steady import SteadyBox
from service.vision.transitions import Appearance, Change, Pictures

_DETECT_S = 0.23  # a little under a quarter of a second, so that grids of 0.08 and 0.12 s hit it
_WHOLE_S = 0.9  # how long only the surroundings of known faces are searched
_PATIENCE_S = 1.0  # how long a person's track continues without a detection
_HITS = 3  # detections that make a person …
_SURE_HITS = 2  # … and how many of them must be sure
_MISSES = 2  # missed detections in a row that end a track that is no person yet, or cost a person its place
_LATEST_HITS = 6  # … where somebody who was hidden may have come back: more views make it certain
_BRIEF_S = 0.15  # a shorter shot may be a piece of a zoom or of a whip pan: it makes no new person
_LARGER = 1.5  # area ratio at which a new face replaces the smallest person if all places are taken

_SAME_PLACE = 0.3  # intersection over union of a face and where it was expected
_ONE_FACE = 0.5  # share of a box: boxes that overlap more are the same face
_CONTINUES = 0.8  # share of the points in the better half of a face


@dataclass(frozen=True)
class TrackedFace:
    """A face in one picture.

    Attributes:
        key: id of its track.
        number: the person's number; None until the face is confirmed.
        box: the face's box.
        seen: whether it was detected in this picture, for certain, rather than moved here by optical flow; while it
            seems to be replaced by a dissolve or a wipe, nothing is certain.
        front: how well the detector saw its front when it last looked, 0 to 1: `Detection.facing`, half of that where
            it was not sure, 0 where it missed the face. Faces that are turned too far or half hidden are missed.
    """

    key: int
    number: int | None
    box: Box
    seen: bool
    front: float


@dataclass(frozen=True)
class EndedTrack:
    """A track that ended before the current picture.

    Attributes:
        key: as in `TrackedFace`.
        number: the person's number; None if the face was never confirmed.
        seen: whether the last picture it was reported in showed it for certain, also if `TrackedFace` said less then.
    """

    key: int
    number: int | None
    seen: bool


@dataclass(frozen=True)
class Step:
    """The result for one picture.

    Attributes:
        ended: tracks that ended before it.
        faces: all faces in it.
        forgotten: numbers of persons that no later track will have.
    """

    ended: list[EndedTrack]
    faces: list[TrackedFace]
    forgotten: list[int]


@dataclass
class _Track:
    key: int
    place: SteadyBox
    looks: list[View]  # at the last detection, and before it was lost
    seen_s: float
    front: float
    number: int | None = None
    hits: int = 1
    sure: int = 1
    misses: int = 0
    seen: bool = True
    lost: bool = False  # flow failed, or the face changed at once: only a detection that looks alike recovers it
    changing: bool = False  # a dissolve or a wipe seems to replace the face
    appearance: Appearance = field(default_factory=Appearance)
    views: list[View] = field(default_factory=list)  # before it is a person

    @property
    def box(self) -> Box:
        return self.place.box

    @property
    def area(self) -> float:
        return self.box.w * self.box.h

    @property
    def is_due(self) -> bool:
        """Whether the face was detected often enough to be a person, and is none yet."""
        return self.number is None and self.hits >= _HITS and self.sure >= _SURE_HITS


class Tracker:
    """Track the faces of one video.

    Args:
        detector: finds faces in a picture.
        faces: maximum number of persons at one time, the largest first.

    Attributes:
        faces_dropped: whether a person found no place, or lost it to a larger one.
    """

    def __init__(self, detector: FaceDetector, faces: int) -> None:
        self.detector = detector
        self.faces = faces
        self.faces_dropped = False
        self._tracks: list[_Track] = []
        self._last: SmallPicture | None = None
        self._pictures = Pictures()
        self._found: list[Detection] | None = None  # detections in the last picture; None if it was not searched
        self._found_in_part = False  # only the surroundings of known faces were searched
        self._replaced: list[_Track] = []  # by a dissolve or a wipe, since the last search
        self._flash = Flash()
        self._time_s = 0.0
        self._searched_s = 0.0
        self._searched_whole_s = 0.0
        self._searches = 0  # in this shot
        self._shot = 0
        self._shot_s = 0.0  # when it began
        self._gallery = PersonGallery()
        self._keys = 0
        self._numbers = 0

    @property
    def persons(self) -> int:
        """Number of persons found so far."""
        return self._numbers

    def step(self, picture: NDArray[np.uint8] | None, time_s: float) -> Step:
        """Process the next picture, RGB (H, W, 3); None repeats the last one. A change of size is a cut."""
        ended: list[EndedTrack] = []
        if picture is not None:
            ended += self._advance(picture, time_s)
        if self._last is None:
            raise ValueError("the first step needs a picture")
        self._time_s = time_s
        for track in self._tracks:
            track.seen = False
        if not self._flash.is_on and self._is_due():
            ended += self._search(self._last)
        height, width = self._last.gray.shape
        for track in [t for t in self._tracks if self._is_over(t, width, height)]:
            ended += self._end_for_good(track)
        faces = [TrackedFace(t.key, t.number, t.box, t.seen and not t.changing, t.front) for t in self._tracks]
        return Step(ended, faces, self._gallery.forget({t.number for t in self._tracks if t.number is not None}))

    def finish(self) -> list[EndedTrack]:
        """End all tracks at the end of the video."""
        return self._end_shot(brief=self._shot > 0 and self._time_s - self._shot_s < _BRIEF_S)

    def _cut(self) -> list[EndedTrack]:
        """End all tracks at a cut."""
        return self._end_shot(brief=self._time_s - self._shot_s < _BRIEF_S)

    def _end_shot(self, *, brief: bool) -> list[EndedTrack]:
        ended: list[EndedTrack] = []
        if self._last is not None and self._tracks and self._searched_s < self._time_s:
            ended += self._search(self._last)
        for track in sorted(self._tracks, key=lambda t: t.area, reverse=True):
            if track.number is not None or not track.hits == self._searches == track.sure:
                continue
            # The shot is too short for more detections.
            if not brief or self._gallery.recognise(track.views, self._present()) is not None:
                ended += self._confirm(track)
        for track in sorted(self._tracks, key=lambda t: t.area, reverse=True):
            ended += self._end_for_good(track)
        self._searches = 0
        self._shot += 1
        self._pictures.clear()
        if self._flash.end():  # what the glare hides is not certain
            ended = [replace(track, seen=False) for track in ended]
        return ended

    def _advance(self, picture: NDArray[np.uint8], time_s: float) -> list[EndedTrack]:
        """Move all tracks to a new picture, or end them if there is a cut before it."""
        ended: list[EndedTrack] = []
        now = SmallPicture(picture)
        if self._last is not None and self._last.gray.shape != now.gray.shape:
            ended = self._cut()
        elif self._last is not None:
            flows = [follow_face(self._last.gray, now.gray, track.box) for track in self._tracks]
            cut = False
            if may_be_cut(self._last, now) or any(flow.share < SURVIVORS for flow in flows):
                whole, flows = self._flows(self._last.gray, now.gray)
                cut = is_cut(whole, self._last, now, [track.box for track in self._tracks])
            if not cut:
                for track, flow in zip(self._tracks, flows, strict=True):
                    self._move(track, flow, self._last, now, time_s - self._time_s)
                self._flash.end()
                ended = self._end_replaced(now, time_s)
            elif self._flash.dazzles(self._last, now, time_s):
                return []
            else:
                ended = self._cut()
        self._last, self._found = now, None
        return ended

    def _end_replaced(self, now: SmallPicture, time_s: float) -> list[EndedTrack]:
        """End the tracks of faces that a dissolve or a wipe has replaced."""
        if not self._pictures.add(now.rgb, time_s):
            return []
        ended = []
        for track in [t for t in self._tracks if not t.lost]:
            track.appearance.add(now.rgb, track.box, time_s)
            change = track.appearance.change(self._pictures, track.box)
            track.changing = change is Change.GOING
            if change is Change.OVER:
                ended += [replace(one, seen=False) for one in self._end_for_good(track)]
                self._replaced.append(track)
                self._searched_s = self._searched_whole_s = -math.inf  # the other face is there
        return ended

    def _flows(self, before: Gray, after: Gray) -> tuple[Flow, list[Flow]]:
        """Compute the flow of the whole picture's corners and of each track's points, in one pass."""
        sets = [corners(before), *(grid(track.box) for track in self._tracks)]
        moved, good = follow(before, after, np.concatenate(sets))
        ends = np.cumsum([len(points) for points in sets])[:-1]
        whole, *faces = map(Flow, sets, np.split(moved, ends), np.split(good, ends))
        return whole, faces

    def _move(self, track: _Track, flow: Flow, before: SmallPicture, after: SmallPicture, elapsed_s: float) -> None:
        if track.lost:
            return
        place = track.box
        if flow.share >= SURVIVORS:
            track.place.move(motion(flow.before[flow.good], flow.after[flow.good]))
        if flow.best_half < _CONTINUES:
            face = self._look(before, place)
            if not face.continues_as(self._look(after, track.box)):
                track.lost = True
                track.looks.append(face)
        track.place.settle(elapsed_s)

    def _is_due(self) -> bool:
        if self._searches == 0 or self._time_s - self._searched_s >= _DETECT_S:
            return True
        return self._found is None and any(track.lost for track in self._tracks)

    def _search(self, shown: SmallPicture) -> list[EndedTrack]:
        """Detect faces in the last picture and match them to the tracks."""
        self._searched_s = self._time_s
        if self._searches == 0:
            self._shot_s = self._time_s
        self._searches += 1
        found, new = self._found, False
        if found is None or (self._found_in_part and self._is_whole_due()):
            around = self._around()
            found, new = self.detector(shown.rgb, around), True
            self._found, self._found_in_part = found, bool(around)
        self._forget_replaced(found)
        matched, unmatched = self._match(shown, found)
        for track, detection, seen in matched:
            self._see(track, detection, seen, new)
        ended = []
        for track in [t for t in self._tracks if not t.seen]:
            track.misses += 1
            track.front = 0.0
            taken = any(intersection_over_smaller(track.box, other.box) > _ONE_FACE for other in unmatched)
            if track.lost and taken:  # another face is there now
                ended += self._end_for_good(track)
        for detection in unmatched:
            self._begin(detection, shown)
        for track in sorted(self._tracks, key=lambda t: t.area, reverse=True):
            if track.is_due and not self._is_early(track):
                ended += self._confirm(track)
        return ended

    def _forget_replaced(self, found: list[Detection]) -> None:
        """Forget the views of faces that began to become others; where no face is, something came before the camera."""
        others = [
            t for t in self._replaced if any(intersection_over_smaller(t.box, one.box) > _ONE_FACE for one in found)
        ]
        for track in others:
            if track.number is not None:
                self._gallery.drop(track.number, track.appearance.began_s)
        if others:
            self._shot += 1
        self._replaced.clear()

    def _around(self) -> list[Box]:
        """Return the boxes around which to search; none stand for the whole picture."""
        if self._is_whole_due() or any(track.lost for track in self._tracks):
            self._searched_whole_s = self._time_s
            return []
        return [track.box for track in self._tracks]

    def _is_whole_due(self) -> bool:
        return self._searches == 1 or self._time_s - self._searched_whole_s >= _WHOLE_S

    def _match(
        self, shown: SmallPicture, found: list[Detection]
    ) -> tuple[list[tuple[_Track, Detection, View]], list[Detection]]:
        if not self._tracks or not found:
            return [], found
        seen = [self._look(shown, detection.box) for detection in found]
        worth = np.array([[self._worth(t, d.box, s) for d, s in zip(found, seen, strict=True)] for t in self._tracks])
        pairs = [(i, j) for i, j in zip(*linear_sum_assignment(worth, maximize=True), strict=True) if worth[i, j] > 0]
        rest = set(range(len(found))) - {j for _, j in pairs}
        return [(self._tracks[i], found[j], seen[j]) for i, j in pairs], [found[j] for j in sorted(rest)]

    def _worth(self, track: _Track, box: Box, seen: View) -> float:
        """Score how well a detection matches a track; 0 if it does not."""
        alike = max(one.likeness(seen) for one in track.looks)
        if track.lost:
            near = max(abs(track.box.x - box.x), abs(track.box.y - box.y)) < max(track.box.w, box.w)
            return alike if near and alike >= ALIKE else 0.0
        same_place = iou(track.box, box)
        return same_place + max(0.0, alike) if same_place >= _SAME_PLACE else 0.0

    def _see(self, track: _Track, detection: Detection, seen: View, new: bool) -> None:
        if track.lost:
            track.place, track.lost = SteadyBox(detection.box), False
        elif new:
            track.place.correct(detection.box)
        track.looks = [seen]
        track.hits += 1
        track.sure += detection.sure
        track.front = detection.facing if detection.sure else detection.facing / 2
        track.misses = 0
        track.seen, track.seen_s = True, self._time_s
        if detection.sure and new:
            self._note(track, seen)

    def _begin(self, detection: Detection, shown: SmallPicture) -> None:
        full = len(self._tracks) >= 2 * self.faces + 4
        known = any(intersection_over_smaller(detection.box, track.box) > _ONE_FACE for track in self._tracks)
        if detection.sure and not known and not full:
            place = SteadyBox(detection.box)
            seen = self._look(shown, detection.box)
            track = _Track(self._keys, place, [seen], self._time_s, detection.facing)
            self._tracks.append(track)
            self._keys += 1
            self._note(track, seen)

    def _note(self, track: _Track, seen: View) -> None:
        """Remember how a face looks."""
        if track.number is None:
            track.views.append(seen)
        elif not track.changing:
            self._gallery.note(track.number, [seen])

    def _look(self, shown: SmallPicture, box: Box) -> View:
        return view(shown, box, shot=self._shot, time_s=self._time_s)

    def _present(self) -> set[int]:
        """Return the persons whose faces were found when they were last looked for."""
        return {track.number for track in self._tracks if track.number is not None and not track.misses}

    def _is_early(self, track: _Track) -> bool:
        """Return whether to wait for more views of a face, which may be somebody's who was hidden."""
        if track.hits >= _LATEST_HITS or not self._gallery.possible(track.views, self._present()):
            return False
        return self._gallery.recognise(track.views, self._present()) is None

    def _confirm(self, track: _Track) -> list[EndedTrack]:
        """Confirm a track as a person if there is room; end the track that loses its place: one that is gone first."""
        number = self._gallery.recognise(track.views, self._present())
        hidden = [other for other in self._tracks if other.number is not None and other.number == number]
        ended = [self._end(other) for other in hidden]
        persons = [t for t in self._tracks if t.number is not None]
        gone = [t for t in persons if t.lost or t.misses >= _MISSES]
        if len(persons) >= self.faces and gone:
            ended.append(self._end(min(gone, key=lambda t: t.seen_s)))
        elif len(persons) >= self.faces:
            self.faces_dropped = True
            smallest = min(persons, key=lambda t: t.area)
            if track.area < _LARGER * smallest.area:
                return [*ended, self._end(track)]
            ended.append(self._end(smallest))
        if number is None:
            number = self._numbers
            self._numbers += 1
        track.number = number
        self._gallery.note(number, track.views)
        track.views.clear()
        return ended

    def _is_over(self, track: _Track, width: int, height: int) -> bool:
        if track.number is None and track.misses >= _MISSES:
            return True
        x, y = track.box.x + track.box.w / 2, track.box.y + track.box.h / 2
        outside = not (0 <= x <= width and 0 <= y <= height)
        return outside or self._time_s - track.seen_s > _PATIENCE_S

    def _end_for_good(self, track: _Track) -> list[EndedTrack]:
        """End a track; a face for which only more views were awaited becomes a person first."""
        ended = self._confirm(track) if track.is_due else []
        return [*ended, self._end(track)] if track in self._tracks else ended

    def _end(self, track: _Track) -> EndedTrack:
        self._tracks.remove(track)
        return EndedTrack(track.key, track.number, track.seen and not track.changing)
