import gc
import random
import struct
from collections import deque
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from mien.contract.containers import HEAD_BYTES, OPTIONAL_CONTAINERS, is_accepted
from mien.contract.errors import (
    BadMedia,
    CannotDecode,
    DecodeTooCostly,
    NoFrames,
    NoVideoStream,
    TooLong,
    TooManyPixels,
    TruncatedVideo,
    UnsupportedCodec,
)
from service.vision.formats import OWN_FILES, UPLOADS, uploads_with
from service.vision.frames import Limits, VideoReader, open_video
from service.vision.streams import ChosenStream
from tests.videos import face_video, faceless_video, picture, scene, still, write_video

LIMITS = Limits(max_pixels=8192 * 4320, max_duration_s=3600, max_frames=10**6)


def numbered(count, size=(64, 48)):
    """Frames whose gray level tells their number (modulo 28)."""
    return [np.full((size[1], size[0], 3), 20 + 8 * (index % 28), np.uint8) for index in range(count)]


def number(frame):
    return round((frame.to_ndarray(format="rgb24").mean() - 20) / 8)


def read(path, start_s=0.0, end_s=None, limits=LIMITS):
    with open_video(path, limits) as video:
        shown = [(s.time_s, s.until_s, number(s.frame)) for s in video.read(start_s, end_s)]
        return shown, video


def without_key_frame(video, target):
    """Copy a video without its first picture, on which the others up to the next key frame depend."""
    with av.open(str(video)) as source, av.open(str(target), "w") as film:
        copy = film.add_stream_from_template(source.streams.video[0])
        for packet in list(source.demux(video=0))[1:]:
            if packet.dts is not None:
                packet.stream = copy
                film.mux(packet)
    return target


@pytest.mark.parametrize(("suffix", "began_s"), [("mp4", 0.04), ("mkv", 0.0)])
def test_a_video_begins_at_its_first_frame_that_decodes_and_warns_of_what_lies_before(tmp_path, suffix, began_s):
    whole = write_video(tmp_path / f"w.{suffix}", numbered(28), options={"sc_threshold": "0"})
    path = without_key_frame(whole, tmp_path / f"v.{suffix}")

    shown, video = read(path)

    assert [number for *_, number in shown] == list(range(12, 28))
    first_s = began_s + 11 / 25  # from the first picture that is left
    assert [time_s for time_s, *_ in shown] == pytest.approx([first_s + k / 25 for k in range(16)], abs=2e-3)
    assert video.end_s == pytest.approx(began_s + 27 / 25, abs=2e-3)
    [warning] = video.warnings
    assert f"from {began_s:.2f} s to {first_s:.2f} s" in warning
    with pytest.raises(NoFrames, match=r"before 0\.2 s"):
        read(path, end_s=0.2)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mp4", "libx264"),
        ("mov", "libx265"),
        ("mkv", "libx264"),
        ("webm", "libvpx-vp9"),
        ("webm", "libvpx"),
        ("avi", "mpeg4"),
        ("avi", "mjpeg"),
        ("avi", "libx264"),
        ("3gp", "h263"),
        ("mov", "prores_ks"),
        ("mp4", "libsvtav1"),
    ],
)
def test_containers_and_codecs_that_are_taken(tmp_path, suffix, codec):
    size = (176, 144)
    pixels = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le"}.get(codec, "yuv420p")
    path = write_video(tmp_path / f"v.{suffix}", numbered(20, size), codec=codec, pixel_format=pixels)

    shown, video = read(path)

    # H.263's pixels of this size are 12:11.
    assert (video.opened.width, video.opened.height) == ((192, 144) if codec == "h263" else size)
    assert [index for _, _, index in shown] == list(range(20))
    assert [time for time, _, _ in shown] == pytest.approx([i / 25 for i in range(20)], abs=0.002)
    assert shown[-1][1] == pytest.approx(0.8, abs=0.002)
    assert video.warnings == []


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("start_s", [0.0, 3.5])
def test_frames_that_avi_stores_in_decoding_order_have_their_own_times(tmp_path, codec, start_s):
    options = {"bf": "2", "b": "4000000"}
    path = write_video(tmp_path / "v.avi", numbered(120), codec=codec, options=options, keyframes=25)

    shown, video = read(path, start_s)

    first = int(start_s * 25)
    assert [index for _, _, index in shown] == [i % 28 for i in range(first, 120)]
    assert [time for time, _, _ in shown] == pytest.approx([i / 25 for i in range(first, 120)], abs=0.002)
    assert [until for _, until, _ in shown] == pytest.approx([(i + 1) / 25 for i in range(first, 120)], abs=0.002)
    assert video.warnings == []


def test_a_frame_stays_on_display_until_the_next_ones_time(tmp_path):
    times = [0.0, 0.04, 0.5, 0.51, 2.0]
    path = write_video(tmp_path / "v.mp4", numbered(5), times=times)

    shown, _ = read(path)

    assert [time for time, _, _ in shown] == pytest.approx(times, abs=1e-4)
    assert [until for _, until, _ in shown[:-1]] == pytest.approx(times[1:], abs=1e-4)


def test_times_count_from_the_first_frame(tmp_path):
    path = write_video(tmp_path / "v.mkv", numbered(5), times=[7 + i / 25 for i in range(5)])

    shown, _ = read(path)

    assert shown[0][0] == 0
    assert shown[-1][1] == pytest.approx(0.2, abs=0.002)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize("start_s", [0.02, 1.0, 4.999, 7.3])
def test_a_part_has_the_same_frames_and_times_as_the_whole(tmp_path, suffix, start_s):
    path = write_video(tmp_path / f"v.{suffix}", numbered(220), keyframes=25)
    whole, _ = read(path)

    part, video = read(path, start_s, start_s + 0.5)

    expected = [shown for shown in whole if shown[1] > start_s + 1e-9 and shown[0] < start_s + 0.5 - 1e-9]
    assert [index for _, _, index in part] == [index for _, _, index in expected]
    assert [time for time, _, _ in part] == pytest.approx([time for time, _, _ in expected], abs=1e-6)
    assert part[-1][1] == pytest.approx(start_s + 0.5)
    assert video.frames == len(part)


def test_seeking_does_not_decode_what_lies_before(tmp_path):
    path = write_video(tmp_path / "v.mp4", numbered(600), keyframes=25)

    with open_video(path, LIMITS) as video:
        decoded = 0
        timed = video._timed

        def counted(start_s):
            nonlocal decoded
            for pair in timed(start_s):
                decoded += 1
                yield pair

        video._timed = counted
        list(video.read(20.0, 20.2))

    assert decoded < 40


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_part_is_right_also_with_frames_stored_out_of_order(tmp_path, suffix):
    options = {"preset": "medium", "bf": "3", "x264-params": "open-gop=1:keyint=25:b-adapt=0"}
    path = write_video(tmp_path / f"v.{suffix}", numbered(220), options=options, keyframes=25)

    for start_s in (3.5, 5.02, 7.3):
        part, video = read(path, start_s, start_s + 0.4)

        first = int(start_s * 25 + 1e-6)
        assert [index for _, _, index in part] == [i % 28 for i in range(first, first + len(part))]
        assert part[0][0] == pytest.approx(first / 25, abs=1e-3)
        assert video.warnings == []


@pytest.mark.parametrize("stamped", [True, False])
def test_a_part_is_right_where_the_index_leads_past_it(tmp_path, monkeypatch, stamped):
    path = write_video(tmp_path / "v.mp4", numbered(220), keyframes=25)
    with open_video(path, LIMITS) as video:
        seek = video._seek
        monkeypatch.setattr(video, "_seek", lambda time_s: seek(time_s and time_s + 2.5))
        if not stamped:
            stamps = iter([None])
            monkeypatch.setattr(ChosenStream, "stamp_s", lambda _, shown: next(stamps, float(shown.time)))
        part = [(s.time_s, number(s.frame)) for s in video.read(4.0, 4.1)]

    assert [index for _, index in part] == [100 % 28, 101 % 28, 102 % 28]
    assert part[0][0] == pytest.approx(4.0, abs=1e-6)


def test_a_part_beyond_the_end_has_no_frames(tmp_path):
    path = write_video(tmp_path / "v.mp4", numbered(10))

    with pytest.raises(NoFrames, match=r"ends after 0\.4 s"):
        read(path, 5.0)


def test_a_single_frame_works(tmp_path):
    shown, video = read(write_video(tmp_path / "v.mp4", numbered(1)))

    assert [index for _, _, index in shown] == [0]
    assert shown[0][1] == pytest.approx(0.04)
    assert video.frames == 1


def test_a_container_that_declares_no_duration_is_read_to_its_end(tmp_path):
    path = tmp_path / "v.webm"
    with path.open("wb") as file:
        unseekable = type("Pipe", (), {"write": file.write})()  # as a browser's recorder writes
        with av.open(unseekable, "w", format="webm") as container:
            stream = container.add_stream("libvpx", rate=25, options={"deadline": "realtime", "cpu-used": "8"})
            stream.width, stream.height = 64, 48
            for rgb in numbered(20):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
            container.mux(stream.encode(None))

    shown, video = read(path)

    assert video.opened.total_s is None
    assert len(shown) == 20
    assert shown[-1][1] == pytest.approx(0.8, abs=0.01)


def test_the_opening_tells_the_declared_duration(tmp_path):
    with open_video(face_video(tmp_path / "v.mp4", seconds=1.0), LIMITS) as video:
        assert video.opened.total_s == pytest.approx(1.0, abs=0.01)
        assert (video.opened.width, video.opened.height) == (320, 240)


# What is never opened.


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "txt"])
def test_a_list_of_other_files_is_refused_under_any_name(tmp_path, suffix):
    face_video(tmp_path / "secret.mp4", seconds=0.2)
    path = tmp_path / f"list.{suffix}"
    path.write_text("ffconcat version 1.0\nfile secret.mp4\n")

    with pytest.raises(CannotDecode):
        read(path)


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4"])
def test_a_playlist_is_refused_under_any_name(tmp_path, name):
    secret = face_video(tmp_path / "secret.mp4", seconds=0.2)
    path = tmp_path / name
    path.write_text(f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.2,\n{secret}\n#EXT-X-ENDLIST\n")

    with pytest.raises(CannotDecode):
        read(path)


@pytest.mark.parametrize("suffix", ["png", "ts", "flv", "gif"])
def test_other_containers_are_refused(tmp_path, suffix):
    codec, pixels = {"png": ("png", "rgb24"), "gif": ("gif", "rgb8")}.get(suffix, ("libx264", "yuv420p"))
    path = tmp_path / f"v.{suffix}"
    if suffix == "png":
        import cv2

        cv2.imwrite(str(path), numbered(1)[0])
    else:
        write_video(path, numbered(5), codec=codec, pixel_format=pixels)

    with pytest.raises(CannotDecode):
        read(path)


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [("mkv", "ffv1", "yuv420p"), ("avi", "huffyuv", "yuv422p"), ("mov", "png", "rgb24"), ("mov", "qtrle", "rgb24")],
)
def test_codecs_off_the_list_are_refused_by_name(tmp_path, suffix, codec, pixels):
    path = write_video(tmp_path / f"v.{suffix}", numbered(3), codec=codec, pixel_format=pixels)

    with pytest.raises(UnsupportedCodec, match=codec):
        read(path)


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    with pytest.raises(NoVideoStream):
        read(path)


def test_a_cover_picture_is_no_video(tmp_path):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16000)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(cover.encode(av.VideoFrame.from_ndarray(numbered(1)[0], format="rgb24")))
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with av.open(str(path)) as container:
        assert container.streams.video[0].disposition & av.stream.Disposition.attached_pic

    with pytest.raises(NoVideoStream):
        read(path)


# Limits.


def test_too_many_pixels_are_refused_before_decoding(tmp_path):
    path = write_video(tmp_path / "v.mp4", numbered(2, (640, 480)))

    with pytest.raises(TooManyPixels, match="640 × 480"):
        read(path, limits=replace(LIMITS, max_pixels=640 * 479))


def test_frames_that_grow_over_the_limit_on_the_way_are_not_decoded(tmp_path):
    small = write_video(tmp_path / "small.mkv", numbered(10, (64, 48)), codec="mjpeg", pixel_format="yuvj420p")
    large = write_video(tmp_path / "large.mkv", numbered(10, (640, 480)), codec="mjpeg", pixel_format="yuvj420p")
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as joined, av.open(str(small)) as first, av.open(str(large)) as second:
        stream = joined.add_stream_from_template(first.streams.video[0])
        for container, offset in ((first, 0), (second, 400)):
            for packet in container.demux(video=0):
                if packet.dts is not None:
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                    joined.mux(packet)

    shown, video = read(path, limits=replace(LIMITS, max_pixels=64 * 48))

    assert len(shown) == 10
    assert any("damaged" in warning for warning in video.warnings)


def test_a_video_over_the_longest_duration_is_refused_and_a_part_of_it_is_not(tmp_path):
    path = write_video(tmp_path / "v.mp4", numbered(50))
    limits = replace(LIMITS, max_duration_s=1.0)

    with pytest.raises(TooLong, match="1 s"):
        read(path, limits=limits)
    assert len(read(path, 0.5, 1.5, limits)[0]) == 26


def test_more_frames_than_allowed_are_refused(tmp_path):
    with pytest.raises(TooLong, match="24 frames"):
        read(write_video(tmp_path / "v.mp4", numbered(25)), limits=replace(LIMITS, max_frames=24))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])  # with an index that tells the number of frames, and without
def test_more_pixels_in_all_than_allowed_are_refused_and_a_part_is_not(tmp_path, suffix):
    path = write_video(tmp_path / f"v.{suffix}", numbered(50))
    limits = replace(LIMITS, max_decoded_pixels=49 * 64 * 48)

    with pytest.raises(DecodeTooCostly, match="pixels in all"):
        read(path, limits=limits)
    assert len(read(path, 0.0, 0.5, limits)[0]) == 13


def test_an_index_that_tells_of_too_many_pixels_is_refused_before_they_are_decoded(tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.mp4", numbered(50))
    with open_video(path, replace(LIMITS, max_decoded_pixels=49 * 64 * 48)) as video:
        monkeypatch.setattr(video, "_timed", None)  # which would decode
        with pytest.raises(DecodeTooCostly):
            next(video.read(0.0, None))


def test_three_frames_over_two_million_seconds_are_refused_at_the_second(tmp_path):
    path = write_video(tmp_path / "v.mkv", numbered(3), times=[0.0, 1e6, 2e6])
    assert path.stat().st_size < 3000

    with pytest.raises(TooLong):
        read(path)


def test_a_last_frame_that_claims_to_last_for_ever_is_refused(tmp_path):
    path = write_video(tmp_path / "v.mkv", numbered(2), times=[0.0, 5000.0])

    with pytest.raises(TooLong):
        read(path)


# Damage.


def test_an_empty_file_cannot_be_decoded(tmp_path):
    path = tmp_path / "v.mp4"
    path.touch()

    with pytest.raises(CannotDecode, match="empty"):
        read(path)


def test_a_file_that_is_not_there_is_no_bad_media(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "v.mp4")


@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_a_cut_off_file_is_truncated_and_the_sentence_has_both_times(tmp_path, suffix):
    path = write_video(
        tmp_path / f"v.{suffix}",
        scene([still()], seconds=4, noise=4),
        container_options={"movflags": "faststart"} if suffix == "mp4" else None,
        options={"bf": "0"},
    )
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.5)])

    with pytest.raises(TruncatedVideo, match=r"lasts 4\.0 s.*end after [12]\.\d s"):
        read(path)


def test_what_a_cut_off_file_has_is_read_first_and_a_part_of_it_is_whole(tmp_path):
    path = write_video(
        tmp_path / "v.mp4", scene([still()], seconds=4, noise=4), container_options={"movflags": "faststart"}
    )
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.5)])

    assert read(path, 0.0, 1.0)[0][-1][1] == 1.0


@pytest.mark.parametrize("share", [0.5, 0.95, 0.995])  # without its index, and within it
def test_a_cut_off_file_whose_index_is_at_its_end_is_truncated(tmp_path, share):
    path = face_video(tmp_path / "v.mp4")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    with pytest.raises(TruncatedVideo, match="cut short"):
        read(path)


def test_an_encrypted_video_is_called_encrypted(tmp_path):
    keys = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "00" * 16, "encryption_kid": "11" * 16}
    path = write_video(tmp_path / "v.mp4", numbered(20), container_options=keys)

    with pytest.raises(UnsupportedCodec, match="encrypted"):
        read(path)


def damage(path, first, last):
    data = bytearray(path.read_bytes())
    noise = random.Random(5)
    for index in range(int(len(data) * first), int(len(data) * last)):
        data[index] = noise.randrange(256)
    path.write_bytes(bytes(data))


def test_damage_in_the_middle_is_a_warning_and_the_rest_is_read(tmp_path):
    path = write_video(
        tmp_path / "v.mp4",
        scene([still()], seconds=4, noise=4),
        container_options={"movflags": "faststart"},
        keyframes=10,
    )
    damage(path, 0.45, 0.5)

    shown, video = read(path)

    assert len(shown) > 80
    assert shown[-1][1] == pytest.approx(4.0, abs=0.1)
    assert any("damaged" in warning for warning in video.warnings)


def test_frames_that_the_decoder_patched_up_are_shown_and_warned_of(tmp_path):
    path = write_video(tmp_path / "v.avi", scene([still()], seconds=1, noise=4), codec="mpeg4")
    damage(path, 0.5, 0.502)

    with open_video(path, LIMITS) as video:
        patched = [shown.frame.is_corrupt for shown in video.read(0.0, None)]

    assert len(patched) == 25
    assert sum(patched) == 1
    assert video.warnings == ["The video is damaged: 1 piece of it could not be decoded well. The rest was analysed."]


def test_a_broken_last_frame_is_a_warning(tmp_path):
    path = write_video(
        tmp_path / "v.mp4",
        scene([still()], seconds=2, noise=4),
        container_options={"movflags": "faststart"},
        options={"bf": "0"},
    )
    damage(path, 0.99, 1.0)

    shown, video = read(path)

    assert len(shown) >= 49
    assert video.warnings


def test_a_video_of_rubbish_cannot_be_decoded(tmp_path):
    path = write_video(
        tmp_path / "v.mp4", scene([still()], seconds=1, noise=4), container_options={"movflags": "faststart"}
    )
    damage(path, 0.08, 1.0)

    with pytest.raises(BadMedia):
        read(path)


def test_an_index_without_frames_has_no_frames(tmp_path):
    path = faceless_video(tmp_path / "v.mp4", seconds=0.4)
    data = bytearray(path.read_bytes())
    at = data.index(b"stsz")
    struct.pack_into(">I", data, at + 12, 0)  # the number of samples
    path.write_bytes(bytes(data))

    with pytest.raises(BadMedia):
        read(path)


def test_mutated_files_end_as_frames_or_as_bad_media(tmp_path):
    whole = face_video(tmp_path / "v.mp4", seconds=0.6, size=(160, 120)).read_bytes()
    noise = random.Random(11)
    path = tmp_path / "mutated.mp4"
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(noise.choice([1, 4, 40])):
            data[noise.randrange(len(data))] = noise.randrange(256)
        path.write_bytes(bytes(data[: noise.randrange(1, len(data))] if noise.random() < 0.3 else data))
        try:
            shown, _ = read(path)
        except (BadMedia, MemoryError):  # a header can ask for any amount of memory
            continue
        assert all(a < b for a, b, _ in shown)


def test_sentences_tell_what_to_do_and_name_no_path_and_no_library(tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"\0\0\0\x18ftypmp42" + b"rubbish" * 50)
    codec = write_video(tmp_path / "codec.mkv", numbered(3), codec="ffv1")
    for path in (bad, codec):
        with pytest.raises(BadMedia) as caught:
            read(path)
        sentence = caught.value.detail
        assert "send it again" in sentence
        assert str(tmp_path) not in sentence
        assert not any(name in sentence.lower() for name in ("ffmpeg", "pyav", "errno", "libav", "invalid data"))


def test_the_file_is_closed_when_reading_stops_early(tmp_path):
    path = write_video(tmp_path / "v.mp4", [picture(0, [])] * 5)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with open_video(path, LIMITS) as video:
            next(video.read(0, None))

    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_flv_is_taken_from_files_of_ones_own_only(tmp_path):
    path = write_video(tmp_path / "v.flv", numbered(10), codec="flv")

    with pytest.raises(CannotDecode, match="MP4, MOV, 3GP, MKV, WebM or AVI"):
        read(path)
    with open_video(path, LIMITS, OWN_FILES) as video:
        assert [number(shown.frame) for shown in video.read(0.0, None)] == list(range(10))


def test_flv1_in_a_container_that_is_taken_is_refused_from_strangers(tmp_path):
    path = write_video(tmp_path / "v.avi", numbered(10), codec="flv")

    with pytest.raises(UnsupportedCodec, match="flv"):
        read(path)


def test_what_is_not_ours_to_open_is_not_opened_from_ones_own_files_either(tmp_path):
    face_video(tmp_path / "v.mp4", seconds=0.2)
    listed = tmp_path / "list.txt"
    listed.write_text(f"ffconcat version 1.0\nfile '{tmp_path / 'v.mp4'}'\n")

    with pytest.raises(CannotDecode, match="FLV"), open_video(listed, LIMITS, OWN_FILES):
        pass
    assert "concat" not in {name for container in OWN_FILES.containers for name in container.demuxers}
    assert OWN_FILES.codecs - UPLOADS.codecs == {"flv"}


@pytest.mark.parametrize("frames", [0, 1, 100])
def test_nothing_of_a_video_waits_for_the_garbage_collection(tmp_path, frames):
    path = face_video(tmp_path / "v.mp4", seconds=0.4)
    gc.collect()
    gc.disable()
    try:
        with open_video(path, LIMITS) as video:
            deque(islice(video.read(0.0, None), frames), maxlen=0)
        del video
        left = [o for o in gc.get_objects() if isinstance(o, VideoReader | av.VideoFrame)]
    finally:
        gc.enable()

    assert left == []  # a frame and its decoder's threads; a forked process that collects them hangs


def test_two_first_frames_that_the_decoder_gives_in_the_wrong_order_are_shown_in_theirs(tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.mp4", numbered(5))
    decode = VideoReader._decode

    def swapped(reader):
        first, second, *others = decode(reader)
        return (frame for frame in [second, first, *others])

    monkeypatch.setattr(VideoReader, "_decode", swapped)
    shown, video = read(path)

    assert [(round(time_s, 2), index) for time_s, _, index in shown] == [(index / 25, index) for index in range(5)]
    assert video.warnings == []


def test_times_are_those_of_a_player_where_the_pictures_begin_after_the_sound(tmp_path):
    path = tmp_path / "late.mp4"
    base = Fraction(1, 48000)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=48000)
        for index in range(100):
            silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            silence.sample_rate, silence.pts, silence.time_base = 48000, 1024 * index, base
            container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
        for index, rgb in enumerate(numbered(20)):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = 25 + index, Fraction(1, 25)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))

    shown, video = read(path)
    part, part_of = read(path, 1.2, 1.4)

    assert [shown[0][0], shown[-1][1]] == pytest.approx([1.0, 1.8], abs=1e-3)
    assert (video.first_s, video.end_s) == pytest.approx((1.0, 1.8), abs=1e-3)
    assert video.duration_s == pytest.approx(100 * 1024 / 48000, abs=0.05)  # the sound lasts longer
    assert part_of.duration_s == 1.4
    assert video.opened.total_s == pytest.approx(1.8, abs=0.01)
    assert [index for _, _, index in part] == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("suffix", "sound_s", "expected_s"), [("mp4", 0.5, 1.0), ("mp4", 1.5, 1.5), ("mkv", 0.5, 1.0), ("mkv", 1.5, 1.0)]
)
def test_the_presentation_of_a_track_does_not_last_as_long_as_another_track(tmp_path, suffix, sound_s, expected_s):
    path = tmp_path / f"v.{suffix}"
    with av.open(str(path), "w") as container:
        tracks = [(container.add_stream("libx264", rate=25), frames) for frames in (25, 50)]
        sound = container.add_stream("aac", rate=48000, layout="mono")
        for stream, _ in tracks:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for stream, frames in tracks:
            for rgb in numbered(frames):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
            container.mux(stream.encode(None))
        silence = np.zeros((1, round(48000 * sound_s)), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))

    with open_video(path, LIMITS, track=0) as video:
        deque(video.read(0.0, None), maxlen=0)

    assert video.duration_s == pytest.approx(expected_s, abs=0.03)


@pytest.mark.parametrize(("suffix", "first_s"), [("mp4", 1.5), ("mov", 1.5), ("mkv", 0.0)])
def test_an_mp4_or_mov_begins_at_0_also_where_nothing_is_shown_yet(tmp_path, suffix, first_s):
    path = write_video(tmp_path / f"v.{suffix}", numbered(5), times=[1.5 + index / 25 for index in range(5)])

    shown, video = read(path, limits=replace(LIMITS, max_duration_s=1.0))
    part, _ = read(path, first_s + 0.05)

    assert [shown[0][0], video.duration_s] == pytest.approx([first_s, first_s + 0.2], abs=1e-3)
    assert [index for *_, index in part] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("aspect", "size"), [((16, 9), (640, 270)), ((1, 2), (360, 540)), ((0, 1), (360, 270)), ((321, 320), (360, 270))]
)
def test_pictures_have_square_pixels(tmp_path, aspect, size):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 360, 270, "yuv420p"
        if all(aspect):
            stream.codec_context.sample_aspect_ratio = Fraction(*aspect)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(1, (360, 270))[0], format="rgb24")))
        container.mux(stream.encode(None))

    with open_video(path, LIMITS) as video:
        [timed] = video.read(0.0, None)
        shape = video.upright(timed.frame).shape

    assert (video.opened.width, video.opened.height) == size
    assert shape == (size[1], size[0], 3)


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "libx264"), ("mp4", "mpeg4"), ("3gp", "mpeg4")])
def test_the_shape_of_pixels_is_followed_where_it_changes_on_the_way(tmp_path, suffix, codec):
    path = tmp_path / f"v.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for part, aspect in enumerate([Fraction(1), Fraction(4, 3)]):
            camera = av.CodecContext.create(codec, "w")
            camera.width, camera.height, camera.pix_fmt = 320, 240, "yuv420p"
            camera.time_base, camera.framerate = Fraction(1, 25), Fraction(25)
            camera.sample_aspect_ratio, camera.max_b_frames = aspect, 0
            frames = [av.VideoFrame.from_ndarray(one, format="rgb24") for one in numbered(5, (320, 240))]
            for index, packet in enumerate(packet for one in [*frames, None] for packet in camera.encode(one)):
                packet.stream, packet.time_base = stream, Fraction(1, 25)
                packet.pts = packet.dts = 5 * part + index
                container.mux(packet)

    with open_video(path, LIMITS) as video:
        shapes = [video.upright(timed.frame).shape[:2] for timed in video.read(0.0, None)]

    assert shapes == [(240, 320)] * 5 + [(240, 427)] * 5
    [warning] = video.warnings
    assert "from 320 × 240 to 427 × 240 at 0.20 s" in warning


@pytest.mark.parametrize(
    ("name", "suffix", "codec", "pixel_format"),
    [
        ("mpeg-ts", "ts", "libx264", "yuv420p"),
        ("mpeg-ts", "m2ts", "libx264", "yuv420p"),
        ("asf", "wmv", "wmv2", "yuv420p"),
        ("flv", "flv", "flv", "yuv420p"),
        ("mpeg-ps", "mpg", "mpeg2video", "yuv420p"),
        ("gif", "gif", "gif", "gray"),
        ("webp", "webp", "libwebp_anim", "yuv420p"),
    ],
)
def test_a_container_that_the_operator_allows_is_read_and_refused_else(tmp_path, name, suffix, codec, pixel_format):
    path = write_video(tmp_path / f"v.{suffix}", numbered(10), codec=codec, pixel_format=pixel_format)
    head = path.read_bytes()[:HEAD_BYTES]

    with open_video(path, LIMITS, uploads_with([name])) as video:
        shown = [(round(s.time_s, 2), number(s.frame)) for s in video.read(0.0, None)]

    assert shown == [(pytest.approx(index * 0.04, abs=0.01), index) for index in range(10)]
    assert is_accepted(head, [OPTIONAL_CONTAINERS[name]])
    assert not is_accepted(head)
    others = [other for other in OPTIONAL_CONTAINERS if other != name]
    assert not is_accepted(head, [OPTIONAL_CONTAINERS[other] for other in others])
    with pytest.raises((CannotDecode, UnsupportedCodec)), open_video(path, LIMITS, uploads_with(others)):
        pass
