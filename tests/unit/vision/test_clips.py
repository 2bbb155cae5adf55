"""One video file in, events out: everything together."""

from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from mien.contract.errors import DecodeTooCostly, NoFrames, NoVideoStream, TooLong, TruncatedVideo
from service.vision.boxes import Box
from service.vision.clips import Clip, ClipSpec, FaceSeen, Limits, Progressed, VideoEnded, VideoOpened, read_clips
from service.vision.faces import Detection, open_detector
from tests.videos import (
    Actor,
    face_video,
    faceless_video,
    pan,
    picture,
    scene,
    shared_case,
    shared_video,
    still,
    two_faces_video,
    write_video,
)

ROOT = Path(__file__).resolve().parents[3]
LIMITS = Limits(max_pixels=8192 * 4320, max_duration_s=3600, max_frames=10**6)
SPEC = ClipSpec(frames=16, interval_s=0.08, size=112, margin=0.2, hop_s=0.5)


class Counting:
    """The detector, counting how often it is asked."""

    def __init__(self):
        self.calls = 0
        self.detector = open_detector(None)

    def __call__(self, shown, around=()):
        self.calls += 1
        return self.detector(shown, around)


class Seen:
    """The events of one reading, sorted."""

    def __init__(self, path, specs=(SPEC,), **how):
        how = {"detector": open_detector(None), "limits": LIMITS, "faces": 8} | how
        self.events = list(read_clips(path, specs, **how))
        self.clips = [event for event in self.events if isinstance(event, Clip)]
        self.faces = [event for event in self.events if isinstance(event, FaceSeen)]
        self.progress = [event.done_s for event in self.events if isinstance(event, Progressed)]
        self.opened, self.ended = self.events[0], self.events[-1]

    def coverage(self, track=0):
        return self.faces[track].samples / self.ended.samples


def test_the_events_of_a_video_of_one_face(tmp_path):
    seen = Seen(face_video(tmp_path / "v.mp4", seconds=2.0))

    assert seen.opened == VideoOpened(width=320, height=240, total_s=pytest.approx(2.0))
    assert seen.ended == VideoEnded(
        duration_s=pytest.approx(2.0), fps=pytest.approx(25), width=320, height=240, frames=50, samples=25, warnings=[]
    )
    (face,) = seen.faces
    assert (face.track, face.start_s, face.end_s, face.samples) == (0, 0.0, pytest.approx(2.0), 25)
    assert [(clip.start_s, clip.end_s) for clip in seen.clips] == [
        (0.0, pytest.approx(1.28)),
        (pytest.approx(0.48), pytest.approx(1.76)),
        (pytest.approx(0.72), pytest.approx(2.0)),
    ]
    assert all(clip.pixels.shape == (16, 112, 112, 3) and clip.pixels.dtype == np.uint8 for clip in seen.clips)
    assert [type(event) for event in seen.events[-4:]] == [Clip, FaceSeen, Progressed, VideoEnded]


def test_clips_show_the_face_in_the_middle_and_upright(tmp_path):
    actor = still(0.5, 0.45, 0.4)
    path = write_video(tmp_path / "v.mp4", scene([actor], seconds=1.6))
    (clip, *_) = Seen(path).clips

    truth = picture(0, [actor])
    (found,) = open_detector(None)(truth)
    side = round(found.box.w * 1.4)
    left, top = round(found.box.x - 0.2 * found.box.w), round(found.box.y - 0.2 * found.box.w)
    expected = cv2.resize(truth[top : top + side, left : left + side], (112, 112), interpolation=cv2.INTER_AREA)
    for crop in clip.pixels:
        found = cv2.matchTemplate(crop, expected[16:96, 16:96], cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(found)
        assert best > 0.9
        assert (x, y) == (pytest.approx(16, abs=6), pytest.approx(16, abs=6))


def test_a_sample_is_the_frame_on_display_at_its_time(tmp_path):
    """Frames of different brightness at odd times: each crop must have that of the frame shown at its grid time."""
    times = [0.0, 0.03, 0.1, 0.35, 0.36, 0.5, 0.9, 0.95, 1.2]
    levels = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9]
    shown = picture(0, [still()])
    pictures = [(shown * level).astype(np.uint8) for level in levels]
    path = write_video(tmp_path / "v.mp4", pictures, times=times, options={"bf": "0"})

    seen = Seen(path, [ClipSpec(frames=12, interval_s=0.1, size=32, margin=0.2, hop_s=1.0)])

    whole = pictures[0].mean() / levels[0]
    found = [crop.mean() for crop in seen.clips[0].pixels[:12]]
    expected = [levels[max(i for i, time in enumerate(times) if time <= k * 0.1 + 1e-6)] for k in range(12)]
    scale = found[0] / expected[0]
    assert whole > 0
    assert found == pytest.approx([scale * level for level in expected], rel=0.02)


def test_the_frame_rate_does_not_change_the_clips_times(tmp_path):
    actor = pan((0.4, 0.6), seconds=2)
    made = {
        fps: Seen(write_video(tmp_path / f"{fps}.mp4", scene([actor], seconds=2, fps=fps), fps=fps))
        for fps in (7, 25, 60)
    }

    for fps, seen in made.items():
        (face,) = seen.faces
        assert seen.coverage() == 1.0, fps
        assert [clip.start_s for clip in seen.clips][:2] == pytest.approx([0.0, 0.48])
        assert face.end_s == pytest.approx(2.0, abs=1 / fps)


def test_bundles_with_different_grids_are_served_from_one_pass(tmp_path):
    other = ClipSpec(frames=8, interval_s=0.16, size=64, margin=0.5, hop_s=0.32)
    detector = Counting()

    seen = Seen(face_video(tmp_path / "v.mp4", seconds=2.0), [SPEC, other], detector=detector)

    assert {clip.pixels.shape for clip in seen.clips if clip.spec == 0} == {(16, 112, 112, 3)}
    assert {clip.pixels.shape for clip in seen.clips if clip.spec == 1} == {(8, 64, 64, 3)}
    starts = [clip.start_s for clip in seen.clips if clip.spec == 1]
    assert starts == pytest.approx([0.0, 0.32, 0.64, 0.8])
    assert max(clip.end_s for clip in seen.clips) == pytest.approx(2.0)
    assert seen.ended.samples == 25
    assert detector.calls < 12


def test_a_spec_makes_the_same_clips_alone_and_beside_others(tmp_path):
    path = face_video(tmp_path / "v.mp4", seconds=1.6)
    other = ClipSpec(frames=4, interval_s=0.16, size=32, margin=0, hop_s=0.16)

    alone, beside = Seen(path), Seen(path, [SPEC, other])

    for one, two in zip(alone.clips, [clip for clip in beside.clips if clip.spec == 0], strict=True):
        assert (one.pixels == two.pixels).all()


def test_the_same_file_gives_the_same_clips(tmp_path):
    path = write_video(tmp_path / "v.mp4", scene([pan((0.3, 0.6), seconds=1.6)], seconds=1.6, noise=5))

    one, two = Seen(path), Seen(path)

    assert all((a.pixels == b.pixels).all() for a, b in zip(one.clips, two.clips, strict=True))
    assert one.faces == two.faces
    assert one.ended == two.ended


def test_windows_come_while_the_video_is_read_and_not_at_its_end(tmp_path):
    events = Seen(face_video(tmp_path / "v.mp4", seconds=4.0)).events

    done_s = 0.0
    for event in events:
        if isinstance(event, Progressed):
            done_s = event.done_s
        elif isinstance(event, Clip):
            assert done_s < event.end_s + 1.0


def test_progress_comes_at_least_every_second_and_ends_with_the_whole(tmp_path):
    for seen in (
        Seen(faceless_video(tmp_path / "a.mp4", seconds=3.0)),
        Seen(write_video(tmp_path / "b.mkv", [picture(0, [])] * 2, times=[0.0, 8.0])),
    ):
        assert max(np.diff([0.0, *seen.progress])) <= 1.0
        assert seen.progress == sorted(seen.progress)
        assert seen.progress[-1] == pytest.approx(seen.ended.duration_s)


def test_a_video_without_a_face_has_none(tmp_path):
    seen = Seen(faceless_video(tmp_path / "v.mp4"))

    assert seen.faces == seen.clips == []
    assert seen.ended.samples == 20


@pytest.mark.parametrize(("light", "dark"), [(0.05, True), (1.0, False)])
def test_a_dark_video_without_a_face_is_called_dark(tmp_path, light, dark):
    shown = [(light * pixels).astype(np.uint8) for pixels in scene([], seconds=0.8)]

    seen = Seen(write_video(tmp_path / "v.mp4", shown))

    assert not seen.faces
    assert any("very dark" in told for told in seen.ended.warnings) == dark


def test_a_part_too_short_to_be_looked_at_is_not_called_dark(tmp_path):
    seen = Seen(face_video(tmp_path / "v.mp4", seconds=2.0), start_s=1.9997)

    assert seen.ended.frames == 1
    assert seen.ended.warnings == []


@pytest.mark.parametrize(("faces", "left_out"), [(1, True), (2, False)])
def test_faces_that_are_left_out_are_a_warning_that_names_the_option(tmp_path, faces, left_out):
    seen = Seen(two_faces_video(tmp_path / "v.mp4"), faces=faces)

    assert len(seen.faces) == faces
    assert any("More than 1 face" in told and "option faces" in told for told in seen.ended.warnings) == left_out


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_the_shortest_videos_give_one_padded_clip(tmp_path, frames):
    path = write_video(tmp_path / "v.mp4", [picture(0, [still()])] * frames)

    seen = Seen(path)

    (clip,) = seen.clips
    samples = -(-frames * 4 // 8)
    assert clip.frames == samples
    assert (clip.pixels[samples:] == clip.pixels[samples - 1]).all()
    assert clip.end_s == pytest.approx(frames / 25)
    assert seen.coverage() == 1.0
    assert (seen.ended.fps is None) == (frames == 1)


def test_a_still_of_ten_minutes_costs_little(tmp_path):
    path = write_video(tmp_path / "v.mkv", [picture(0, [still()], (160, 120))] * 2, times=[0.0, 600.0])
    detector = Counting()
    spec = ClipSpec(frames=2, interval_s=0.16, size=16, margin=0.2, hop_s=60.0)

    seen = Seen(path, [spec], detector=detector)

    assert detector.calls == 2
    assert seen.coverage() == 1.0
    assert seen.faces[0].end_s == pytest.approx(600, abs=0.1)


def test_a_part_is_analysed_as_if_it_were_the_video_but_with_the_videos_times(tmp_path):
    path = face_video(tmp_path / "v.mp4", seconds=4.0)

    seen = Seen(path, start_s=1.5, end_s=3.5)

    assert seen.faces[0].start_s == 1.5
    assert seen.faces[0].end_s == pytest.approx(3.5)
    assert [clip.start_s for clip in seen.clips] == pytest.approx([1.5, 1.98, 2.22])
    assert seen.ended.duration_s == 3.5
    assert seen.ended.frames == 51  # from the one on display at 1.5 s, which came at 1.48 s
    assert seen.progress[-1] == pytest.approx(2.0)


def test_a_part_that_the_video_does_not_have_is_an_error(tmp_path):
    with pytest.raises(NoFrames):
        Seen(face_video(tmp_path / "v.mp4", seconds=1.0), start_s=2.0)


def test_a_face_that_comes_and_goes_covers_its_part(tmp_path):
    actor = Actor(lambda _: (0.5, 0.45, 0.4), enters_s=2.0, leaves_s=4.0)
    path = write_video(tmp_path / "v.mp4", scene([actor], seconds=6.0))

    seen = Seen(path)

    (face,) = seen.faces
    assert face.start_s == pytest.approx(2.0, abs=0.25)
    assert face.end_s == pytest.approx(4.0, abs=0.25)
    assert seen.coverage() == pytest.approx(1 / 3, abs=0.05)
    assert all(face.start_s <= clip.start_s and clip.end_s <= face.end_s for clip in seen.clips)


def test_no_clip_and_no_face_reaches_over_a_cut(tmp_path):
    cuts = [0.0, 1.2, 2.52]
    shots = [
        scene([still(other=bool(which % 2))], seconds=end_s - start_s, other=bool(which % 2))
        for which, (start_s, end_s) in enumerate(pairwise(cuts))
    ]
    path = write_video(tmp_path / "v.mp4", chain(*shots))

    seen = Seen(path)

    assert [face.track for face in seen.faces] == [0, 1]
    for face, (start_s, end_s) in zip(seen.faces, pairwise(cuts), strict=True):
        assert start_s - 1e-6 <= face.start_s <= start_s + 0.08
        assert end_s - 0.08 <= face.end_s <= end_s + 1e-6
        for clip in seen.clips:
            if clip.track == face.track:
                assert face.start_s <= clip.start_s < clip.end_s <= face.end_s


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_rotated_video_gives_what_the_upright_one_gives(tmp_path, rotation):
    upright = list(scene([still()], seconds=1.3))
    turned = [np.ascontiguousarray(np.rot90(shown, -rotation // 90)) for shown in upright]

    one = Seen(write_video(tmp_path / "one.mp4", upright))
    two = Seen(write_video(tmp_path / "two.mp4", turned, rotation=rotation))

    assert two.opened == one.opened
    assert two.faces[0].path[0] == pytest.approx(one.faces[0].path[0], abs=4)
    assert np.abs(one.clips[0].pixels.astype(int) - two.clips[0].pixels).mean() < 15  # 40 and more where one is turned


def test_paths_are_in_pixels_of_the_original_frame_and_within_it(tmp_path):
    actor = pan((0.5, 0.9), seconds=0.8, side=(0.4, 0.4))
    path = write_video(tmp_path / "v.mp4", scene([actor], seconds=0.8, fps=12.5, size=(1920, 1080)), fps=12.5)

    seen = Seen(path)

    for point in seen.faces[0].path:
        assert 0 <= point.x <= point.x + point.w <= 1920
        assert 0 <= point.y <= point.y + point.h <= 1080
    x, y, side = actor.at(0)
    first = seen.faces[0].path[0]
    assert first.x + first.w / 2 == pytest.approx(x * 1920, abs=30)
    assert first.y + first.h / 2 == pytest.approx(y * 1080, abs=40)
    assert first.w == pytest.approx(side * 1080, rel=0.15)


def lowest_quality(path, pictures, detector=None):
    spec = ClipSpec(frames=8, interval_s=0.08, size=64, margin=0.2, hop_s=0.24)
    seen = Seen(write_video(path, pictures), [spec], detector=detector or open_detector(None))
    assert len(seen.faces) == 1
    assert all(0 <= clip.quality <= 1 for clip in seen.clips)
    return min(clip.quality for clip in seen.clips)


def cover(picture, half):
    covered = picture.copy()
    covered[half] = 128
    return covered


def test_the_quality_of_a_face_in_plain_view_is_high(tmp_path):
    assert lowest_quality(tmp_path / "v.mp4", scene([pan((0.4, 0.6), seconds=2)], seconds=2, noise=4)) > 0.95


@pytest.mark.parametrize(
    ("side", "worse"),
    [
        (0.12, lambda shown: shown),
        (0.4, lambda shown: (shown * 0.13).astype(np.uint8)),
        (0.4, lambda shown: cv2.GaussianBlur(shown, (0, 0), 5)),
        (0.4, lambda shown: cover(shown, np.s_[108:, 112:208])),
        (0.4, lambda shown: cover(shown, np.s_[60:156, 160:])),
    ],
    ids=["small", "dark", "blurred", "lower half covered", "right half covered"],
)
def test_the_quality_of_a_face_that_cannot_be_read_well_is_low(tmp_path, side, worse):
    """For 0.8 s between two plain stretches: a face that is like this all the time may not be found at all."""
    plain = list(scene([still(side=side)], seconds=0.8))

    assert lowest_quality(tmp_path / "v.mp4", [*plain, *(worse(shown) for shown in plain), *plain]) < 0.4


def test_the_quality_of_a_covered_face_that_is_found_all_the_same_is_low(tmp_path):
    plain = list(scene([still()], seconds=0.8))
    found = Detection(Box(112, 60, 96, 96), sure=True)

    covered = [cover(shown, np.s_[108:, 112:208]) for shown in plain]

    assert lowest_quality(tmp_path / "a.mp4", plain, lambda *_: [found]) == 1
    assert lowest_quality(tmp_path / "b.mp4", [*plain, *covered, *plain], lambda *_: [found]) < 0.1


def test_the_quality_of_a_face_in_plain_view_that_is_not_found_is_low(tmp_path):
    class Blinking(Counting):
        def __call__(self, shown, around=()):
            found = super().__call__(shown, around)
            return [] if self.calls in (4, 5, 6) else found

    assert lowest_quality(tmp_path / "v.mp4", scene([still()], seconds=3), Blinking()) < 0.1


def test_limits_are_kept(tmp_path):
    path = face_video(tmp_path / "v.mp4", seconds=1.0)

    with pytest.raises(TooLong):
        Seen(path, limits=Limits(max_pixels=10**9, max_duration_s=0.5, max_frames=1000))


def test_a_cut_off_video_fails_after_what_it_has(tmp_path):
    path = write_video(
        tmp_path / "v.mp4", scene([still()], seconds=6, noise=4), container_options={"movflags": "faststart"}
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    clips = []

    with pytest.raises(TruncatedVideo):
        clips += (event for event in read_clips(path, [SPEC], detector=open_detector(None), limits=LIMITS, faces=1))


def test_without_specs_faces_are_still_followed(tmp_path):
    seen = Seen(face_video(tmp_path / "v.mp4"), [])

    assert seen.clips == []
    assert len(seen.faces) == 1


def test_too_little_memory_is_the_videos_fault(tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("service.vision.picture.Upright.small", fail)

    with pytest.raises(DecodeTooCostly, match="memory"):
        Seen(face_video(tmp_path / "v.mp4"))


# The shared samples: real faces.


@pytest.mark.parametrize(
    ("name", "faces", "start_s", "coverage"),
    [
        ("single_face.mp4", 1, (0.0, 0.0), (0.95, 1.0)),
        ("no_face.mp4", 0, None, None),
        ("noface_face.mov", 1, (2.5, 4.5), (0.3, 0.5)),
        ("talking_head.mp4", 1, (0.0, 0.0), (0.95, 1.0)),
    ],
)
def test_real_videos(name, faces, start_s, coverage):
    seen = Seen(shared_video(name))

    assert len(seen.faces) == faces
    if faces:
        (face,) = seen.faces
        assert start_s[0] <= face.start_s <= start_s[1]
        assert coverage[0] <= seen.coverage() <= coverage[1]
        assert seen.clips[0].start_s == face.start_s
        assert seen.clips[-1].end_s == face.end_s == pytest.approx(seen.ended.duration_s, abs=0.01)
        assert all(clip.frames == 16 for clip in seen.clips)
    assert seen.ended.warnings == []


def several_tracks(path, *tracks, options=None):
    """Write a video of several tracks at 25 frames a second, each given as its pictures."""
    with av.open(str(path), "w") as container:
        streams = []
        for pictures in tracks:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.options = {"preset": "ultrafast", "crf": "18", **(options or {})}
            streams.append(stream)
        for shown in zip(*tracks, strict=True):
            for stream, one in zip(streams, shown, strict=True):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(one, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def test_of_two_video_tracks_the_one_with_faces_is_read_and_a_warning_says_so(tmp_path):
    screen = list(scene([], seconds=1.2, size=(480, 360)))
    camera = list(scene([still()], seconds=1.2))
    path = several_tracks(tmp_path / "v.mp4", screen, camera)

    chosen, asked = Seen(path), Seen(path, track=0)

    assert len(chosen.faces) == 1
    assert (chosen.ended.track, chosen.ended.width) == (1, 320)
    assert "2 video tracks" in chosen.ended.warnings[0]
    assert "Track 1 was analysed" in chosen.ended.warnings[0]
    assert "option track" in chosen.ended.warnings[0]
    assert (asked.faces, asked.ended.track, asked.ended.warnings) == ([], 0, [])


def test_while_the_track_is_chosen_each_second_that_is_passed_is_told(tmp_path):
    tracks = [list(scene([still(x)], seconds=6)) for x in (0.4, 0.6)]
    once = {"x264-params": "scenecut=0:keyint=infinite"}
    path = several_tracks(tmp_path / "v.mp4", *tracks, options=once)
    passed = []
    how = {"detector": open_detector(None), "limits": LIMITS, "faces": 8, "start_s": 4.0}

    events = read_clips(path, [SPEC], **how, on_passed=lambda: passed.append(None))

    assert isinstance(next(events), VideoOpened)
    assert len(passed) >= 2 * (4 + 4)  # in each track, 4 s before the part and 4 pictures or more of it


def test_a_face_is_there_from_the_first_picture_on_where_the_pictures_begin_late(tmp_path):
    video, path = face_video(tmp_path / "v.mp4", seconds=0.8), tmp_path / "late.mkv"
    with av.open(str(video)) as source, av.open(str(path), "w") as film:
        pictures, sound = film.add_stream_from_template(source.streams.video[0]), film.add_stream("pcm_s16le", 8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 12000), np.int16), layout="mono")
        silence.sample_rate, silence.pts = 8000, 0
        film.mux(sound.encode(silence))
        for packet in source.demux(video=0):
            if packet.dts is not None:
                late = round(0.49 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + late, packet.dts + late, pictures
                film.mux(packet)

    seen = Seen(path)

    [face] = seen.faces
    assert (face.start_s, face.end_s) == pytest.approx((0.49, 1.29), abs=0.002)
    assert seen.ended.duration_s == pytest.approx(1.5, abs=0.002)


def test_a_video_track_that_the_file_does_not_have_is_an_error(tmp_path):
    with pytest.raises(NoVideoStream, match="no video track 1"):
        Seen(face_video(tmp_path / "v.mp4", seconds=0.4), track=1)


def turned_video(path, seconds=1.2):
    """Write a video whose frames are 480 × 270 pixels at first, and 270 × 480 then; the face is the same."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 480, 270, "yuvj420p"
        count = round(seconds * 25)
        for index in range(2 * count):
            size, side = ((480, 270), 0.5) if index < count else ((270, 480), 0.3)
            camera = av.CodecContext.create("mjpeg", "w")
            camera.width, camera.height = size
            camera.pix_fmt, camera.time_base = "yuvj420p", Fraction(1, 25)
            frame = av.VideoFrame.from_ndarray(picture(index / 25, [still(side=side)], size), format="rgb24")
            for packet in camera.encode(frame.reformat(format="yuvj420p")):
                packet.stream, packet.time_base = stream, Fraction(1, 25)
                packet.pts = packet.dts = index
                container.mux(packet)
    return path


def test_a_camera_that_is_turned_in_mid_recording_shows_one_person_in_boxes_of_each_frame(tmp_path):
    seen = Seen(turned_video(tmp_path / "v.mkv"))

    [face] = seen.faces
    assert (face.start_s, face.end_s) == (0.0, pytest.approx(2.4, abs=0.05))
    for time_s, x, y, w, h in face.path:
        width, height, side = (480, 270, 135) if time_s < 1.2 else (270, 480, 144)
        assert x + w / 2 == pytest.approx(width / 2, abs=0.1 * side)
        assert y + h / 2 == pytest.approx(0.45 * height, abs=0.15 * side)
        assert (w, h) == pytest.approx((side, side), rel=0.3)
    [warning] = seen.ended.warnings
    assert "from 480 × 270 to 270 × 480 at 1.20 s" in warning


def test_a_person_to_whom_the_film_cuts_back_is_one_face_with_a_gap_in_its_path(tmp_path):
    one, two = (scene([still(other=other)], seconds=1.2, other=other) for other in (False, True))
    again = scene([still()], seconds=1.2)

    seen = Seen(write_video(tmp_path / "v.mp4", chain(one, two, again)))

    first, second = sorted(seen.faces, key=lambda face: face.track)
    assert (first.start_s, first.end_s) == (0.0, pytest.approx(3.6))
    assert first.samples == pytest.approx(2 * second.samples, abs=1)
    assert not [point for point in first.path if 1.2 < point.time_s < 2.4]
    assert all(clip.end_s <= 1.24 or clip.start_s >= 2.36 for clip in seen.clips if clip.track == first.track)


@pytest.mark.parametrize(
    ("name", "persons"), [("xf_fade", 2), ("rflash2.2", 1), ("rot_mid", 1), ("two_tracks_screen_and_camera", 1)]
)
def test_the_shared_cases_show_so_many_persons(name, persons):
    assert len(Seen(shared_case(f"{name}.mp4")).faces) == persons


def test_two_people_who_cross_keep_their_numbers():
    seen = Seen(shared_case("n_cross.mp4"))

    assert [round(face.end_s, 1) for face in seen.faces] == [4.0, 4.0]
    starts = {face.track: face.path[0].x for face in seen.faces}
    ends = {face.track: face.path[-1].x for face in seen.faces}
    assert (starts[0] < starts[1]) != (ends[0] < ends[1])
