"""Files that are not videos, or incomplete ones: name → bytes."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import numpy as np

from tests.videos import face_video, faceless_video, scene, still, write_video


@cache
def small_mp4(*, faststart: bool = False) -> bytes:
    """Return 0.1 MB of video of a face, with its index at the end or at the start."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "face.mp4"
        options = {"movflags": "faststart"} if faststart else {}
        write_video(path, scene([still()], seconds=2.0), container_options=options)
        return path.read_bytes()


@cache
def tiny(ending: str) -> bytes:
    """Return half a second of a small gradient, `mp4` or `webm`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tiny.{ending}"
        if ending == "webm":
            options = {"deadline": "realtime", "cpu-used": "8"}
            write_video(path, scene([], seconds=0.5, fps=10, size=(96, 64)), fps=10, codec="libvpx", options=options)
        else:
            faceless_video(path, seconds=0.5, fps=10, size=(96, 64))
        return path.read_bytes()


@cache
def tiny_face() -> bytes:
    """Return half a second of a small picture with a face."""
    with tempfile.TemporaryDirectory() as folder:
        return face_video(Path(folder) / "face.mp4", seconds=0.5, fps=10, size=(160, 120)).read_bytes()


def sound_only(ending: str) -> bytes:
    """Return a tenth of a second of silence."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ipod" if ending == "m4a" else ending) as container:
        stream = container.add_stream("aac", rate=44100)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4410), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def no_frames(ending: str) -> bytes:
    """Return a container with a video stream but no frame."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format={"mkv": "matroska"}.get(ending, ending)) as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return buffer.getvalue()


def still_image(ending: str) -> bytes:
    """Return a picture of one colour."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, {"jpg": "jpeg"}.get(ending, ending))
    return buffer.getvalue()


_MP4_HEAD = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"
_CONCAT = b"ffconcat version 1.0\nfile '/etc/hostname'\n"

# The code depends on how far FFmpeg reads the file.
NOTHING = {"cannot_decode", "no_video_stream", "no_frames"}

BAD: dict[str, tuple[Callable[[], bytes], int, str | set[str]]] = {
    "empty": (lambda: b"", 422, "empty_upload"),
    "text named .mp4": (lambda: b"This is no video.\n" * 10, 415, "unsupported_container"),
    "png": (lambda: still_image("png"), 415, "unsupported_container"),
    "jpg": (lambda: still_image("jpg"), 415, "unsupported_container"),
    "gif": (lambda: still_image("gif"), 415, "unsupported_container"),
    "webp": (lambda: still_image("webp"), 415, "unsupported_container"),
    "heic": (lambda: b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(500), 415, "unsupported_container"),
    "ffconcat": (lambda: _CONCAT, 415, "unsupported_container"),
    "playlist": (lambda: b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", 415, "unsupported_container"),
    "mp4 without its index": (lambda: small_mp4()[: len(small_mp4()) * 2 // 3], 422, "truncated_video"),
    "mp4 cut in the middle": (
        lambda: small_mp4(faststart=True)[: len(small_mp4(faststart=True)) // 2], 422, "truncated_video",
    ),
    "sound only m4a": (lambda: sound_only("m4a"), 422, "no_video_stream"),
    "sound only mp4": (lambda: sound_only("mp4"), 422, "no_video_stream"),
    "mp4 without frames": (lambda: no_frames("mp4"), 422, NOTHING),
    "mkv without frames": (lambda: no_frames("mkv"), 422, NOTHING),
    "ffconcat behind an mp4 head": (lambda: _MP4_HEAD + _CONCAT, 422, "cannot_decode"),
    "playlist behind a quicktime atom": (lambda: b"\n#EXmoov" + b"#EXTM3U\n/etc/hostname\n", 422, "truncated_video"),
    "mp4 head alone": (lambda: _MP4_HEAD, 422, "cannot_decode"),
    "mp4 head and zeros": (lambda: _MP4_HEAD + bytes(100_000), 422, "cannot_decode"),
    "matroska mark alone": (lambda: b"\x1a\x45\xdf\xa3", 422, "cannot_decode"),
    "matroska mark and noise": (lambda: b"\x1a\x45\xdf\xa3" + b"\xa5" * 5000, 422, "cannot_decode"),
    "avi head and noise": (lambda: b"RIFF\xff\xff\xff\xffAVI LIST" + b"\x5a" * 5000, 422, NOTHING),
}  # fmt: skip
