"""A file that was cut short, wherever that was, is called that, or read with a warning; never something else."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from mien.contract.errors import BadMedia, TruncatedVideo
from service.vision.frames import Limits, open_video

CUTS = [50, 60, 70, 80, 85, 90, 93, 95, 97, 98, 98.5, 99, 99.2, 99.4, 99.5]
FRAMES = 60


def write(path: Path, codec: str, **options: str) -> bytes:
    picture = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        if codec == "libvpx":
            stream.codec_context.options = {"deadline": "realtime", "cpu-used": "8"}
        for shift in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(picture, 3 * shift, 1), "rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def outcome(path: Path) -> str:
    """Return the code of the error that reading a file ends with, or "warned" or "whole"."""
    try:
        with open_video(path, Limits(1 << 20, 60, 1000)) as video:
            frames = list(video.read(0, None))
            return "warned" if video.warnings and len(frames) < FRAMES else "whole"
    except BadMedia as error:
        return error.code


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("index_last.mp4", "libx264", {}),
        ("index_first.mp4", "libx264", {"movflags": "faststart"}),
        ("fragments.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
        ("index_last.mov", "libx264", {}),
        ("a.mkv", "libx264", {}),
        ("a.webm", "libvpx", {}),
    ],
)
def test_a_file_that_is_cut_short_is_called_that_or_read_with_a_warning(tmp_path: Path, name, codec, options):
    whole = write(tmp_path / name, codec, **options)
    cut = tmp_path / f"cut_{name}"

    outcomes = {}
    for percent in CUTS:
        cut.write_bytes(whole[: int(len(whole) * percent / 100)])
        outcomes[percent] = outcome(cut)

    assert outcome(tmp_path / name) == "whole"
    lost_frames = {percent: said for percent, said in outcomes.items() if percent < 99}
    assert set(outcomes.values()) <= {TruncatedVideo.code, "warned", "whole"}
    assert set(lost_frames.values()) <= {TruncatedVideo.code, "warned"}
    assert outcomes[50] == TruncatedVideo.code


def test_a_live_recording_that_does_not_say_how_long_it_is_is_whole(tmp_path: Path):
    write(tmp_path / "live.webm", "libvpx", live="1")

    assert outcome(tmp_path / "live.webm") == "whole"
