"""Videos with their analysis drawn on them."""

from types import SimpleNamespace

import av
import numpy as np
import pytest

from mien.contract.errors import CannotDecode
from service.standalone.annotate import annotate
from service.vision.picture import Upright
from tests.videos import pan, scene, still, write_video

NOTHING = SimpleNamespace(faces=[], video=None)


def remux(video, target, codec, rate=48000, seconds=1.0):
    """Copy a video into another file, with a tone beside it."""
    with av.open(str(video)) as source, av.open(str(target), "w") as film:
        [pictures] = source.streams.video
        copy = film.add_stream_from_template(pictures)
        sound = film.add_stream(codec, rate=rate, layout="mono")
        tone = (np.sin(np.arange(round(rate * seconds)) / 20) * 8000).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        resampled = av.AudioResampler(sound.codec_context.format, "mono", rate, 960).resample(frame)
        for packet in source.demux(pictures):
            if packet.dts is not None:
                packet.stream = copy
                film.mux(packet)
        for part in [*resampled, None]:
            film.mux(sound.encode(part))
    return target


def sound_times(path):
    with av.open(str(path)) as film:
        return [float(packet.pts * packet.time_base) for packet in film.demux(audio=0) if packet.pts is not None]


def shown(path):
    with av.open(str(path)) as film:
        return [(frame.time, frame.width, frame.height) for frame in film.decode(video=0)]


def test_times_at_a_variable_rate_stay(tmp_path):
    times = [k / 30 for k in range(30) if k != 10]
    video = write_video(tmp_path / "v.mp4", scene([still()], seconds=29 / 30, fps=30), fps=29, times=times)

    annotate(video, NOTHING, tmp_path / "out.mp4")

    assert [time for time, *_ in shown(tmp_path / "out.mp4")] == pytest.approx(times, abs=1e-3)
    with av.open(str(tmp_path / "out.mp4")) as after:
        assert after.duration / av.time_base == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("times", [[0, 1, 3], [0, 0.04, 0.08, 0.12, 2]])
def test_the_length_stays_at_a_variable_rate(tmp_path, times):
    pictures = [*scene([still()], seconds=len(times) / 25)]
    # With B-frames, FFmpeg's own length of an MP4 whose last picture comes late is wrong.
    video = write_video(tmp_path / "v.mp4", pictures, times=times, options={"bf": "0"})

    annotate(video, NOTHING, tmp_path / "out.mp4")

    with av.open(str(video)) as before, av.open(str(tmp_path / "out.mp4")) as after:
        assert after.duration / av.time_base == pytest.approx(before.duration / av.time_base, abs=2e-3)
    assert [time for time, *_ in shown(tmp_path / "out.mp4")] == pytest.approx(times, abs=1e-3)


def test_a_video_that_is_cut_off_is_annotated_up_to_there_with_a_sentence(tmp_path):
    whole = write_video(
        tmp_path / "whole.mp4", scene([still()], seconds=3.0), container_options={"movflags": "faststart"}
    )
    video = tmp_path / "v.mp4"
    video.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    [lacking] = annotate(video, NOTHING, tmp_path / "out.mp4")

    times = [time for time, *_ in shown(tmp_path / "out.mp4")]
    assert 0.5 < times[-1] < 2.0
    assert f"ends after {times[-1] + 0.04:.1f} s" in lacking


def test_a_video_that_cannot_be_written_as_mp4_is_an_error_of_that_video(tmp_path):
    too_wide = np.zeros((16, 16_400, 3), np.uint8)  # for H.264
    video = write_video(tmp_path / "v.avi", [too_wide], codec="mjpeg", pixel_format="yuvj420p")

    with pytest.raises(CannotDecode, match="FFmpeg cannot write the annotated video"):
        annotate(video, NOTHING, tmp_path / "out.mp4")


def test_large_pictures_keep_their_size(tmp_path):
    video = write_video(tmp_path / "v.mp4", scene([], seconds=0.2, size=(1920, 1080)))

    annotate(video, NOTHING, tmp_path / "out.mp4")

    assert shown(tmp_path / "out.mp4")[0][1:] == (1920, 1080)


@pytest.mark.parametrize(("size", "matrix"), [((1280, 720), 1), ((640, 480), 6)])
def test_colours_stay_and_are_tagged(tmp_path, size, matrix):
    card = np.zeros((size[1], size[0], 3), np.uint8)
    colours = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (128, 128, 128)]
    for index, colour in enumerate(colours):
        card[:, index * size[0] // 4 : (index + 1) * size[0] // 4] = colour
    video = write_video(tmp_path / "v.mkv", [card] * 2, codec="libx264rgb", pixel_format="rgb24")

    annotate(video, NOTHING, tmp_path / "out.mp4")

    with av.open(str(tmp_path / "out.mp4")) as film:
        frame = next(film.decode(video=0))
    after = Upright(frame)(frame)[size[1] // 2, size[0] // 8 :: size[0] // 4]
    assert after.astype(int) == pytest.approx(np.array(colours), abs=6)
    assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (matrix,) * 3 + (1,)


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("mkv", "aac"), ("mkv", "libopus")])
def test_the_sound_is_copied(tmp_path, suffix, codec):
    silent = write_video(tmp_path / "silent.mp4", scene([], seconds=1.0))
    video = remux(silent, tmp_path / f"v.{suffix}", codec)

    lacking = annotate(video, NOTHING, tmp_path / "out.mp4")

    assert lacking == []
    with av.open(str(video)) as before, av.open(str(tmp_path / "out.mp4")) as after:
        plain, copied = (
            [(packet.pts * packet.time_base, bytes(packet)) for packet in film.demux(audio=0) if packet.pts is not None]
            for film in (before, after)
        )
    assert len(plain) - len(copied) in (0, 1)  # a reader of MP4 may drop the encoder's padding at the end
    assert [content for _, content in copied] == [content for _, content in plain][: len(copied)]
    assert [float(time) for time, _ in copied] == pytest.approx(
        [float(time) for time, _ in plain][: len(copied)], abs=2e-3
    )
    assert [time for time, *_ in shown(tmp_path / "out.mp4")] == pytest.approx([k / 25 for k in range(25)], abs=2e-3)


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format"),
    [
        ("ts", "libx264", "yuv420p"),
        ("wmv", "wmv2", "yuv420p"),
        ("flv", "flv", "yuv420p"),
        ("gif", "gif", "rgb8"),
        ("webp", "libwebp_anim", "yuv420p"),
    ],
)
def test_containers_that_an_operator_can_allow_are_annotated(tmp_path, suffix, codec, pixel_format):
    pictures = scene([pan((0.3, 0.7), seconds=0.4)], seconds=0.4, size=(64, 48))
    video = write_video(tmp_path / f"v.{suffix}", pictures, codec=codec, pixel_format=pixel_format)

    assert annotate(video, NOTHING, tmp_path / "out.mp4") == []

    assert [time for time, *_ in shown(tmp_path / "out.mp4")] == pytest.approx(np.arange(10) / 25, abs=0.012)


def test_sound_that_mp4_cannot_hold_is_left_out_with_a_sentence(tmp_path):
    silent = write_video(tmp_path / "silent.mp4", scene([], seconds=0.4))
    video = remux(silent, tmp_path / "v.mkv", "wavpack")

    [lacking] = annotate(video, NOTHING, tmp_path / "out.mp4")

    assert "sound is left out" in lacking
    assert len(shown(tmp_path / "out.mp4")) == 10


def test_sound_of_an_unknown_codec_is_left_out_with_a_sentence(tmp_path):
    silent = write_video(tmp_path / "silent.mp4", scene([], seconds=0.4))
    video = remux(silent, tmp_path / "v.mov", "aac")
    video.write_bytes(video.read_bytes().replace(b"mp4a", b"apac").replace(b"esds", b"dapa"))

    [lacking] = annotate(video, NOTHING, tmp_path / "out.mp4")

    assert "its codec is unknown" in lacking
    assert len(shown(tmp_path / "out.mp4")) == 10


def test_the_adts_headers_of_aac_in_mpeg_ts_are_taken_off(tmp_path):
    silent = write_video(tmp_path / "silent.mp4", scene([], seconds=1.0))
    video = remux(silent, tmp_path / "v.ts", "aac")

    assert annotate(video, NOTHING, tmp_path / "out.mp4") == []

    with av.open(str(video)) as before, av.open(str(tmp_path / "out.mp4")) as after:
        plain, copied = (
            [bytes(packet) for packet in film.demux(audio=0) if packet.pts is not None] for film in (before, after)
        )
        assert after.streams.audio[0].rate == 48000
    assert len(plain) - len(copied) in (0, 1)
    assert copied == [content[7:] for content in plain][: len(copied)]


def test_damaged_sound_is_left_out_with_one_sentence(tmp_path):
    silent = write_video(tmp_path / "silent.mp4", scene([], seconds=1.0))
    video = remux(silent, tmp_path / "v.ts", "aac")
    parts = video.read_bytes().split(b"\xff\xf1")  # the start of an ADTS header
    for place in (10, 20):
        parts[place : place + 2] = [parts[place] + b"\0\0" + parts[place + 1]]
    video.write_bytes(b"\xff\xf1".join(parts))

    [lacking] = annotate(video, NOTHING, tmp_path / "out.mp4")

    assert lacking.startswith("Parts of its sound are left out")
    assert len(sound_times(tmp_path / "out.mp4")) >= 10  # those before the damage
    assert len(shown(tmp_path / "out.mp4")) == 25


@pytest.mark.parametrize("codec", ["aac", "ac3"])
def test_the_sound_of_joined_files_goes_on(tmp_path, codec):
    silent = write_video(tmp_path / "silent.mp4", scene([], seconds=2.0))
    part = remux(silent, tmp_path / "part.ts", codec, seconds=2.0)
    video = tmp_path / "v.ts"
    video.write_bytes(part.read_bytes() * 2)

    assert annotate(video, NOTHING, tmp_path / "out.mp4") == []

    times = sound_times(tmp_path / "out.mp4")
    assert times[-1] == pytest.approx(4.0, abs=0.1)
    assert np.diff(times) == pytest.approx(times[1] - times[0], abs=0.02)
    assert len(shown(tmp_path / "out.mp4")) == 100
