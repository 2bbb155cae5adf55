"""Decode on the decoder of a GPU, where that is asked for (NVIDIA's NVDEC, through FFmpeg).

Its frames are copied to the processor's memory, and have the pixels that decoding on a processor gives (H.264, 8), in
another layout. Nothing is decoded on the processor in its place: what the GPU cannot decode is an error,
`CannotDecode`, and the caller reads the video on the processor then.
"""

from __future__ import annotations

import io
from typing import Literal

import av
from av.codec.hwaccel import HWAccel
from av.video.reformatter import VideoReformatter

DecodeDevice = Literal["cpu", "cuda"]

_CARD: DecodeDevice = "cuda"
_OPTIONS: dict[str, object] = {"primary_ctx": "1"}  # one context of the GPU for all streams of a process
_PLANAR = {"nv12": "yuv420p"}  # the GPU's layout of chroma, interleaved, and the processor's
_SIDE = 256  # of the video that is tried, in pixels


class GpuUnavailable(Exception):
    """The GPU cannot be used for decoding; the text says why."""


def accelerator(device: DecodeDevice) -> HWAccel | None:
    """Return what `av.open` takes as `hwaccel`."""
    return None if device == "cpu" else HWAccel(device, options=_OPTIONS, allow_software_fallback=False)


def try_gpu() -> None:
    """Decode a small H.264 video on the GPU.

    Raises:
        GpuUnavailable: that does not work.
    """
    try:
        HWAccel(_CARD, options=_OPTIONS).create(av.Codec("h264", "r"))
    except (av.FFmpegError, NotImplementedError) as error:
        raise GpuUnavailable(f"no GPU can be opened: {error}") from error
    try:
        with av.open(_small_video(), "r", hwaccel=accelerator(_CARD)) as source:
            frames = [*source.decode(video=0)]
    except (av.FFmpegError, RuntimeError) as error:
        raise GpuUnavailable(f"the GPU decodes no H.264: {error}") from error
    if not frames:
        raise GpuUnavailable("the GPU decodes no H.264")


def _small_video() -> io.BytesIO:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width = stream.height = _SIDE
        stream.pix_fmt = "yuv420p"
        target.mux([*stream.encode(av.VideoFrame(_SIDE, _SIDE, "yuv420p")), *stream.encode(None)])
    file.seek(0)
    return file


class PlanarFrames:
    """Convert frames to the layout in which a processor decodes them, without loss."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()  # reuses its scaler for all frames

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the frame, converted if it comes from a GPU."""
        planar = _PLANAR.get(frame.format.name)
        return frame if planar is None else self._reformatter.reformat(frame, format=planar, threads=1)
