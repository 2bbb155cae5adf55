"""The tracker, fed picture by picture with painted scenes and, where the detector matters, a scripted one."""

from itertools import chain

import cv2
import numpy as np
import pytest

from service.vision.boxes import Box
from service.vision.faces import Detection, open_detector
from service.vision.tracks import Tracker
from tests.videos import Actor, pan, picture, scene, still

STEP_S = 0.08
FPS = 1 / STEP_S


class Scripted:
    """A detector that knows the truth, and can be told to miss or to invent."""

    def __init__(self, truth):
        self.truth = truth
        self.calls = 0

    def __call__(self, shown, around=()):
        self.calls += 1
        return self.truth(self.calls - 1)


def follow(pictures, detector=None, faces=8):
    """Return the steps, the last of them made of what ends with the video."""
    tracker = Tracker(detector or open_detector(None), faces)
    steps = [tracker.step(shown, index * STEP_S) for index, shown in enumerate(pictures)]
    return steps, tracker.finish()


def persons(steps, end):
    """Number → the indices of the pictures that its track is in."""
    numbers = {e.key: e.number for e in chain(*(step.ended for step in steps), end) if e.number is not None}
    return {
        number: [i for i, step in enumerate(steps) if any(numbers.get(face.key) == number for face in step.faces)]
        for number in numbers.values()
    }


def box_at(x, y, side, size=(320, 240)):
    width, height = size
    side *= height
    return Box(x * width - side / 2, y * height - side / 2, side, side)


FACE = Detection(box_at(0.5, 0.45, 0.4), sure=True)
UNSURE = Detection(FACE.box, sure=False)


def test_a_face_is_one_person_from_the_first_picture_to_the_last():
    steps, end = follow(scene([pan((0.3, 0.7), seconds=2, side=(0.3, 0.45))], seconds=2, fps=FPS))

    assert persons(steps, end) == {0: list(range(25))}
    assert end[0].seen


def test_detection_runs_about_four_times_a_second():
    detector = Scripted(lambda _: [FACE])

    follow([picture(0, [still()])] * 50, detector)

    assert 15 <= detector.calls <= 18


def test_the_same_picture_is_not_searched_twice():
    detector = Scripted(lambda _: [FACE])
    tracker = Tracker(detector, 8)
    tracker.step(picture(0, [still()]), 0.0)

    steps = [tracker.step(None, index * STEP_S) for index in range(1, 50)]

    assert detector.calls == 1
    assert steps[-1].faces[0].number == 0
    assert steps[-1].faces[0].box == FACE.box


def test_somebody_new_in_a_picture_that_stays_is_found_though_only_known_faces_were_searched_at_first():
    newcomer = Detection(box_at(0.85, 0.45, 0.4), sure=True)
    searched = []

    def detector(_, around=()):
        searched.append(len(around))
        return [FACE] if around or len(searched) == 1 else [FACE, newcomer]

    tracker = Tracker(detector, 8)
    tracker.step(picture(0, [still()]), 0.0)
    tracker.step(picture(0, [still(), still(0.85, other=True)]), 3 * STEP_S)

    steps = [tracker.step(None, index * STEP_S) for index in range(4, 50)]

    assert searched == [0, 1, 0]
    assert [face.number for face in steps[-1].faces] == [0, 1]


def test_a_person_keeps_its_number_while_it_is_missed_for_a_second():
    detector = Scripted(lambda call: [] if 5 <= call < 8 else [FACE])

    steps, end = follow([picture(0, [still()])] * 40, detector)

    assert persons(steps, end) == {0: list(range(40))}


def test_a_person_that_is_not_found_again_ends_and_what_followed_the_last_detection_is_not_certain():
    detector = Scripted(lambda call: [FACE] if call < 4 else [])

    steps, _ = follow([picture(0, [still()])] * 40, detector)

    ended = [(index, e) for index, step in enumerate(steps) for e in step.ended]
    ((index, e),) = ended
    last_seen = max(i for i, step in enumerate(steps) if any(face.seen for face in step.faces))
    assert e.number == 0
    assert not e.seen
    assert 0.9 < (index - last_seen) * STEP_S < 1.3


def test_the_front_of_a_face_is_what_the_last_detection_saw_of_it():
    turned, unsure = Detection(FACE.box, sure=True, facing=0.5), Detection(FACE.box, sure=False, facing=0.5)
    script = [[FACE], [turned], [unsure], [], [FACE]]
    detector = Scripted(lambda call: script[call])

    steps, _ = follow([picture(0, [still()])] * 13, detector)

    assert [step.faces[0].front for step in steps] == [1.0] * 3 + [0.5] * 3 + [0.25] * 3 + [0.0] * 3 + [1.0]


def test_something_found_once_is_no_person():
    detector = Scripted(lambda call: [FACE] if call == 2 else [])

    assert persons(*follow([picture(0, [still()])] * 40, detector)) == {}


def test_something_the_detector_is_never_sure_of_is_no_person():
    detector = Scripted(lambda _: [UNSURE])

    assert persons(*follow([picture(0, [still()])] * 40, detector)) == {}


def test_something_the_detector_was_sure_of_only_once_is_no_person():
    detector = Scripted(lambda call: [UNSURE] if call else [FACE])

    assert persons(*follow([picture(0, [still()])] * 40, detector)) == {}


def test_in_a_short_shot_one_detection_of_two_is_no_person():
    detector = Scripted(lambda call: [] if call else [FACE])

    assert persons(*follow([picture(0, [still()])] * 4, detector)) == {}
    assert detector.calls == 2


def test_a_detection_within_a_known_face_is_no_second_person():
    inside = Detection(Box(FACE.box.x + 20, FACE.box.y + 20, 40, 40), sure=True)
    detector = Scripted(lambda call: [FACE] if call < 5 else [inside])

    steps, _ = follow([picture(0, [still()])] * 24, detector)

    assert all(len(step.faces) == 1 for step in steps)


def test_of_two_faces_at_one_place_a_detection_goes_to_the_one_it_looks_like():
    shown = picture(0, [still(0.4, side=0.4), still(0.6, side=0.4, other=True)], (480, 240))
    left, right = (Detection(box_at(x, 0.45, 0.4, (480, 240)), sure=True) for x in (0.4, 0.6))
    # Only one is found from now on, the right one, and by mistake nearer to the left one's place.
    between = Detection(right.box._replace(x=right.box.x - 50), sure=True)
    moved = np.roll(shown, -50, axis=1)
    detector = Scripted(lambda call: [left, right] if call < 4 else [between])
    tracker = Tracker(detector, 8)
    for index in range(12):
        tracker.step(shown, index * STEP_S)

    step = tracker.step(moved, 12 * STEP_S)

    keys = {face.key: face.seen for face in step.faces}
    assert keys == {0: False, 1: True}


def test_a_cut_is_searched_at_once():
    pictures = [picture(0, [])] * 5 + [picture(0, [], other=True)] * 2
    detector = Scripted(lambda _: [])
    tracker = Tracker(detector, 8)

    calls = [(tracker.step(shown, index * STEP_S), detector.calls)[1] for index, shown in enumerate(pictures)]

    assert calls == [1, 1, 1, 2, 2, 3, 3]


def test_what_is_found_only_in_the_last_picture_is_no_person():
    detector = Scripted(lambda call: [FACE] if call >= 12 else [])

    steps, end = follow([picture(0, [still()])] * 37, detector)

    assert detector.calls == 13
    assert persons(steps, end) == {}


@pytest.mark.parametrize("pictures", [1, 2, 4])
def test_in_a_video_too_short_for_several_detections_all_of_them_are_enough(pictures):
    steps, end = follow([picture(0, [still()])] * pictures)

    assert persons(steps, end) == {0: list(range(pictures))}


def test_an_unsure_detection_in_a_single_picture_is_no_person():
    assert persons(*follow([picture(0, [still()])], Scripted(lambda _: [UNSURE]))) == {}


def shots(*parts):
    return list(chain(*parts))


def shot(seconds=1.2, **how):
    other = how.pop("other", False)
    return list(scene([still(other=other, **how)], seconds=seconds, fps=FPS, other=other))


def test_pieces_of_a_zoom_are_nobody_and_the_same_person_again_is_known():
    piece = np.ascontiguousarray(picture(0, [still(0.3, side=0.6)])[::-1])
    detector = Scripted(lambda _: [FACE])

    steps, end = follow(shots(shot(), [piece], shot(other=True)), detector)
    again, last = follow(shots(shot(), [piece], shot()[:1], [piece]), detector)

    assert persons(steps, end) == {0: list(range(15)), 1: list(range(16, 31))}
    assert persons(again, last) == {0: [*range(15), 16]}


def test_a_cut_ends_all_tracks():
    steps, end = follow(shots(shot(), shot(other=True, x=0.4), shot()))

    assert {e.key for step in steps for e in step.ended} == {0, 1}
    assert persons(steps, end)[1] == list(range(15, 30))


def test_a_cut_back_to_a_person_gives_the_number_back():
    steps, end = follow(shots(shot(), shot(other=True), shot(), shot(other=True)))

    assert persons(steps, end) == {0: [*range(15), *range(30, 45)], 1: [*range(15, 30), *range(45, 60)]}


def test_a_cut_to_another_face_at_the_same_place_before_the_same_background_joins_nobody():
    one, two = ([still(other=other)] for other in (False, True))
    steps, end = follow(shots(*(scene(who, seconds=1.2, fps=FPS) for who in (one, two, one))))

    found = persons(steps, end)
    assert found == {0: [*range(15), *range(30, 45)], 1: list(range(15, 30))}


def seen_by(actors, size, hidden=lambda index, who: False):
    """The actors' pictures, and a detector that finds all who are there but those hidden."""
    pictures = list(scene(actors, seconds=6, fps=FPS, size=size))
    now = [0]

    def truth(_):
        time = now[0] * STEP_S
        return [
            Detection(box_at(*actor.at(time), size), sure=True)
            for who, actor in enumerate(actors)
            if actor.enters_s <= time < actor.leaves_s and not hidden(now[0], who)
        ]

    tracker = Tracker(Scripted(truth), 8)
    steps = []
    for index, shown in enumerate(pictures):
        now[0] = index
        steps.append(tracker.step(shown, index * STEP_S))
    return steps, tracker.finish()


@pytest.mark.parametrize("hidden_s", [0.5, 1.2, 2.0])
def test_a_person_who_was_hidden_keeps_the_number(hidden_s):
    screen = Actor(lambda _: (0.3, 0.45, 0.6), other=True, enters_s=1.6, leaves_s=1.6 + hidden_s)
    actors = [still(0.3), screen]

    def covered(index, who):
        return who == 1 or 1.6 <= index * STEP_S < 1.6 + hidden_s

    steps, end = seen_by(actors, (480, 240), covered)

    found = persons(steps, end)
    assert set(found) == {0}
    assert found[0][-1] == 74


@pytest.mark.parametrize("seconds", [0.5, 0.8, 2.0])
def test_a_person_before_whom_something_passes_keeps_the_number(seconds):
    pictures = [np.ascontiguousarray(one) for one in scene([still(0.45)], seconds=4, fps=FPS)]
    size = pictures[0].shape[1::-1]
    coarse = np.random.default_rng(3).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    board = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)[:, : size[0] // 2]
    for index, shown in enumerate(pictures):
        share = (index * STEP_S - 1.28) / seconds
        if 0 <= share < 1:
            left = round(share * (size[0] + board.shape[1])) - board.shape[1]
            begin, end = max(0, left), min(size[0], left + board.shape[1])
            shown[:, begin:end] = board[:, begin - left : end - left]

    found = persons(*follow(pictures))

    assert set(found) == {0}
    assert found[0][-1] == len(pictures) - 1


def test_somebody_else_in_the_place_of_one_who_left_gets_a_new_number():
    leaves = Actor(lambda _: (0.3, 0.45, 0.4), leaves_s=2.0)
    enters = Actor(lambda _: (0.3, 0.45, 0.4), other=True, enters_s=2.8)

    steps, end = seen_by([leaves, enters], (480, 240))

    found = persons(steps, end)
    assert set(found) == {0, 1}
    assert found[0][-1] < 40
    assert found[1][-1] == 74


@pytest.mark.parametrize(("enters_s", "leaves_s"), [(2.8, 3.8), (5.1, 9.0)])
def test_somebody_who_comes_for_a_second_after_another_left_is_a_person_all_the_same(enters_s, leaves_s):
    leaves = Actor(lambda _: (0.3, 0.45, 0.4), leaves_s=enters_s - 0.8)
    enters = Actor(lambda _: (0.3, 0.45, 0.4), other=True, enters_s=enters_s, leaves_s=leaves_s)

    found = persons(*seen_by([leaves, enters], (480, 240)))

    assert set(found) == {0, 1}
    assert found[1][0] - round(enters_s / STEP_S) in range(4)  # up to the next detection


def test_a_cut_before_the_same_background_joins_nobody():
    one, two = ([still(other=other)] for other in (False, True))
    steps, end = follow([*scene(one, seconds=1.2, fps=FPS), *scene(two, seconds=1.2, fps=FPS)])

    assert persons(steps, end) == {0: list(range(15)), 1: list(range(15, 30))}


def reshaped(shown, pixels, wave):
    """The picture with another shape of the face in its middle, in the same colours and light: somebody else."""
    height, width = shown.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    near = np.exp(-((x - 0.5 * width) ** 2 + (y - 0.45 * height) ** 2) / (2 * (0.2 * height) ** 2))
    dx, dy = (pixels * near * np.sin(2 * np.pi * along / wave) for along in (y, x))
    return cv2.remap(
        shown,
        (x + dx).astype(np.float32),
        (y + dy).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


@pytest.mark.parametrize(("pixels", "wave"), [(6, 30), (8, 30), (8, 40), (8, 60)])
def test_a_cut_to_a_face_of_the_same_colours_in_the_same_place_joins_nobody(pixels, wave):
    one = picture(0, [still()])
    two = reshaped(one, pixels, wave)

    steps, end = follow([one] * 15 + [two] * 15, Scripted(lambda _: [FACE]))

    assert persons(steps, end) == {0: list(range(15)), 1: list(range(15, 30))}


def test_a_face_that_changes_its_expression_at_once_stays_one_person():
    one = picture(0, [still()])

    steps, end = follow([one] * 15 + [reshaped(one, 4, 60)] * 15, Scripted(lambda _: [FACE]))

    assert persons(steps, end) == {0: list(range(30))}


def test_a_cut_to_the_mirrored_picture_joins_nobody():
    one = list(scene([still()], seconds=1.2, fps=FPS))

    steps, end = follow(one + [np.ascontiguousarray(shown[:, ::-1]) for shown in one])

    assert persons(steps, end) == {0: list(range(15)), 1: list(range(15, 30))}


def test_a_cut_in_half_of_the_picture_ends_the_person_in_that_half():
    stays = still(0.25)
    before = list(scene([stays, still(0.75)], seconds=1.2, fps=FPS, size=(480, 240)))
    after = list(scene([stays, still(0.75, other=True)], seconds=1.2, fps=FPS, size=(480, 240)))

    found = persons(*follow(before + after))

    assert sorted(map(len, found.values())) == [15, 15, 30]


def test_what_a_shot_shows_up_to_the_cut_is_certain():
    steps, _ = follow(shots(shot(seconds=1.12), shot(seconds=1.12, other=True)))

    (ended,) = steps[14].ended
    assert ended.seen


def test_a_flash_ends_nobody():
    bright = [np.clip(shown * 1.7 + 20, 0, 255).astype(np.uint8) for shown in shot(seconds=0.16)]

    steps, end = follow(shots(shot(), bright, shot()))

    assert persons(steps, end) == {0: list(range(32))}


def overexposed(pictures):
    return [np.clip(shown * 1.8 + 60.0, 0, 255).astype(np.uint8) for shown in pictures]


@pytest.mark.parametrize("bright", [1, 2])
def test_a_flash_that_washes_the_picture_out_ends_nobody(bright):
    flash = overexposed(shot())[:bright]

    steps, end = follow(shots(shot(), flash, shot(), flash, shot()))

    assert persons(steps, end) == {0: list(range(45 + 2 * bright))}


def test_a_cut_to_an_overexposed_shot_is_a_cut():
    steps, end = follow(shots(shot(), overexposed(shot(other=True))))

    first, second = (pictures for _, pictures in sorted(persons(steps, end).items()))
    assert first[0] == 0
    assert second == list(range(first[-1] + 1, 30))
    assert second[0] <= 19  # a quarter of a second late at most
    [ended] = [ended for step in steps for ended in step.ended if ended.number is not None]
    assert not ended.seen  # nothing from after the cut is taken for the first person


def blend(kind, share, before, after):
    """One picture of a transition, `share` of it done."""
    one, two = before.astype(np.float32), after.astype(np.float32)
    across = (np.arange(before.shape[1]) / before.shape[1])[None, :, None]
    down = (np.arange(before.shape[0]) / before.shape[0])[:, None, None]
    covers = {
        "dissolve": share,
        "wipe": across < share,
        "soft wipe": np.clip((1.3 * share - down) / 0.3, 0, 1),
        "iris": np.hypot(across - 0.5, down - 0.5) < 0.75 * share,
    }
    if kind in covers:
        return (one + (two - one) * covers[kind]).astype(np.uint8)
    level = {"dip to black": 0.0, "dip to white": 255.0}[kind]
    return (level + (one - level) * max(0, 1 - 2 * share) + (two - level) * max(0, 2 * share - 1)).astype(np.uint8)


def transition(kind, seconds, other_background=True):
    """The astronaut for a second, then a transition to another person at the same place, then this one alone."""
    count = round(seconds * FPS)
    shown = []
    for index in range(count + 30):
        share = min(1.0, max(0.0, (index - 14) / (count + 1)))
        time = index * STEP_S
        sway = 0.5 + 0.01 * np.sin(3 * time)
        before = picture(time, [still(sway)])
        after = picture(time, [still(sway, other=True)], other=other_background)
        shown.append(blend(kind, share, before, after))
    return shown


@pytest.mark.parametrize("seconds", [0.3, 0.8, 2.0])
@pytest.mark.parametrize("kind", ["dissolve", "wipe", "soft wipe", "iris", "dip to black", "dip to white"])
def test_a_gradual_transition_ends_tracks_as_a_cut_does(kind, seconds):
    pictures = transition(kind, seconds)
    over = len(pictures) - 15

    steps, end = follow(pictures, Scripted(lambda _: [FACE]))

    numbers = {e.key: e.number for e in chain(*(step.ended for step in steps), end)}
    seen = {}
    for index, step in enumerate(steps):
        for face in step.faces:
            if face.seen and numbers[face.key] is not None:
                seen.setdefault(numbers[face.key], []).append(index)
    assert seen[max(seen)][-1] >= len(pictures) - 4  # the last detection
    for indices in seen.values():
        assert indices[0] > 14 or indices[-1] < over


def test_a_dissolve_before_the_same_background_is_a_transition():
    steps, end = follow(transition("dissolve", 0.8, other_background=False), Scripted(lambda _: [FACE]))

    assert len(persons(steps, end)) == 2


@pytest.mark.parametrize("seconds", [0.3, 1.0])
@pytest.mark.parametrize("light", [0.3, 1.8])
def test_a_change_of_exposure_ends_nobody(seconds, light):
    gains = [1 + (light - 1) * min(1.0, max(0.0, (index - 12) * STEP_S / seconds)) for index in range(40)]
    pictures = [np.clip(picture(0, [still()]) * gain, 0, 255).astype(np.uint8) for gain in gains]

    assert persons(*follow(pictures, Scripted(lambda _: [FACE]))) == {0: list(range(40))}


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_a_fast_pan_ends_nobody(seconds):
    actor = pan((0.15, 0.85), seconds=seconds, side=(0.3, 0.5))
    places = [actor.at(index * STEP_S) for index in range(30)]
    detector = Scripted(None)
    tracker = Tracker(detector, 8)
    steps = []
    for index, (x, y, side) in enumerate(places):
        detector.truth = lambda _, x=x, y=y, side=side: [Detection(box_at(x, y, side), sure=True)]
        steps.append(tracker.step(picture(index * STEP_S, [actor]), index * STEP_S))

    assert persons(steps, tracker.finish()) == {0: list(range(30))}


def test_two_people_have_two_numbers_the_larger_first():
    found, end = follow(scene([still(0.25, side=0.3), still(0.7, other=True)], seconds=1.6, fps=FPS))

    assert persons(found, end) == {0: list(range(20)), 1: list(range(20))}
    boxes = {face.number: face.box for face in found[-1].faces}
    assert boxes[0].x > boxes[1].x


def test_numbers_are_given_in_order_of_appearance():
    late = Actor(lambda _: (0.75, 0.45, 0.5), other=True, enters_s=1.0)

    steps, end = follow(scene([still(0.25, side=0.3), late], seconds=2.4, fps=FPS, size=(480, 240)))

    first, second = (indices[0] for _, indices in sorted(persons(steps, end).items()))
    assert first == 0
    assert 12 <= second <= 25  # all of the picture is searched about once a second


@pytest.mark.parametrize("size", [0.3, 0.4])
@pytest.mark.parametrize("front_is_other", [False, True])
def test_two_people_who_cross_do_not_swap(size, front_is_other):
    actors = [
        pan((0.15, 0.85), seconds=3, side=(size, size), other=not front_is_other),
        pan((0.85, 0.15), seconds=3, side=(size, size), other=front_is_other),
    ]

    steps, _ = follow(scene(actors, seconds=3, fps=FPS, size=(480, 270)))

    certain = {}
    for index, step in enumerate(steps):
        for face in step.faces:
            if face.seen:
                place = (face.box.x + face.box.w / 2) / 480
                who = int(np.argmin([abs(actor.at(index * STEP_S)[0] - place) for actor in actors]))
                certain.setdefault(face.key, []).append((index, who))
    for seen in certain.values():
        assert seen[0][1] == seen[-1][1]
    in_front = max(certain.values(), key=len)
    assert (in_front[0][0], in_front[0][1]) == (0, 1)
    assert in_front[-1][0] >= 35


def test_at_most_so_many_faces_the_largest_first():
    actors = [still(0.17, side=0.2), still(0.5, side=0.45), still(0.83, side=0.3)]
    pictures = list(scene(actors, seconds=1.6, fps=FPS, size=(640, 240)))

    for faces in (1, 2, 3):
        steps, _ = follow(pictures, faces=faces)
        widths = [face.box.w for face in steps[-1].faces if face.number is not None]
        assert len(widths) == faces
        assert faces == 3 or min(widths) > 60


def test_a_much_larger_newcomer_takes_the_place_of_the_smallest():
    small, large = (Detection(box_at(x, 0.5, side), sure=True) for x, side in ((0.2, 0.2), (0.7, 0.5)))
    detector = Scripted(lambda call: [small] if call < 5 else [large, small])

    steps, end = follow([picture(0, [still(0.2, side=0.2), still(0.7, side=0.5)])] * 40, detector, faces=1)

    assert [face.number for face in steps[-1].faces if face.number is not None] == [1]
    assert len(persons(steps, end)) == 2


def test_a_person_who_is_gone_leaves_its_place_to_who_is_there():
    one, other = (Detection(box_at(x, 0.45, 0.3, (640, 240)), sure=True) for x in (0.15, 0.85))
    shown = picture(0, [still(0.15, side=0.3), still(0.85, side=0.3, other=True)], (640, 240))
    detector = Scripted(lambda call: [one] if call < 5 else [other])
    tracker = Tracker(detector, 1)

    steps = [tracker.step(shown, index * STEP_S) for index in range(23)]

    assert detector.calls == 8
    assert [(face.number, face.box) for face in steps[-1].faces] == [(1, other.box)]
    assert not tracker.faces_dropped


def test_a_face_that_leaves_the_picture_ends():
    steps, end = follow(scene([pan((0.5, 1.6), seconds=2)], seconds=3, fps=FPS))

    (indices,) = persons(steps, end).values()
    assert indices[-1] < 30
    assert steps[-1].faces == []


def test_no_box_is_carried_out_of_the_picture():
    steps, _ = follow(scene([pan((0.5, 1.6), seconds=1.2)], seconds=1.2, fps=FPS))

    for step in steps:
        for face in step.faces:
            assert 0 <= face.box.x + face.box.w / 2 <= 320


def test_a_still_face_with_noise_does_not_tremble():
    steps, _ = follow(scene([still()], seconds=4, fps=FPS, size=(480, 270), noise=6))

    boxes = np.array([step.faces[0].box for step in steps[5:]])
    centres, sides = boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2]
    assert (centres.std(0) < 0.01 * sides.mean()).all()
    assert sides.std() < 0.01 * sides.mean()
    assert np.abs(np.diff(centres, axis=0)).max() < 0.01 * sides.mean()


def test_the_box_follows_a_moving_face_without_lag():
    actor = pan((0.25, 0.75), seconds=2, side=(0.35, 0.45))

    steps, _ = follow(scene([actor], seconds=2, fps=FPS, size=(480, 270)))

    for index, step in enumerate(steps):
        x, y, side = actor.at(index * STEP_S)
        box = step.faces[0].box
        assert box.x + box.w / 2 == pytest.approx(x * 480, abs=0.08 * side * 270)
        assert box.y + box.h / 2 == pytest.approx(y * 270, abs=0.1 * side * 270)


def test_many_shots_leave_no_track_behind():
    detector = Scripted(lambda _: [FACE])
    tracker = Tracker(detector, 8)
    one, two = picture(0, [still()]), picture(0, [still(other=True)], other=True)

    ended = [len(tracker.step((one, two)[index % 2], index * STEP_S).ended) for index in range(100)]

    assert sum(ended) == 99
    assert len(tracker._tracks) == 1
