"""Videos with their analysis drawn on them."""

from types import SimpleNamespace

import av
import numpy as np
import pytest

from service.standalone.annotate import annotate
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


def test_large_pictures_keep_their_size(tmp_path):
    video = write_video(tmp_path / "v.mp4", scene([], seconds=0.2, size=(1920, 1080)))

    annotate(video, NOTHING, tmp_path / "out.mp4")

    assert shown(tmp_path / "out.mp4")[0][1:] == (1920, 1080)


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
