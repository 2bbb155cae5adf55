"""Decode on the decoder of a graphics card, where that is asked for (NVIDIA's NVDEC, through FFmpeg).

Its frames are copied to the processor's memory, and have the pixels that decoding on a processor gives (H.264, 8), in
another layout. What the card cannot decode, such as MPEG-4 in 4:2:2, the processor does.
"""

from __future__ import annotations

import io
from typing import Literal

import av
from av.codec.hwaccel import HWAccel
from av.video.reformatter import VideoReformatter

DecodeDevice = Literal["cpu", "cuda"]

_OPTIONS: dict[str, object] = {"primary_ctx": "1"}  # one context of the card for all streams of a process
_ON_CARD = "cuda"  # pixel format of a codec context that decodes there
_PLANAR = {"nv12": "yuv420p"}  # the card's layout of chroma, interleaved, and the processor's
_SIDE = 256  # of the video that is tried, in pixels


class CardUnavailable(Exception):
    """The card cannot be used for decoding; the text says why."""


def accelerator(device: DecodeDevice) -> HWAccel | None:
    """Return what `av.open` takes as `hwaccel`."""
    return None if device == "cpu" else HWAccel(device, options=_OPTIONS)


def is_on_card(context: av.VideoCodecContext) -> bool:
    """Return whether a context decodes on the card; known once it has decoded a frame."""
    return context.is_hwaccel and context.pix_fmt == _ON_CARD


def try_card() -> None:
    """Decode a small H.264 video on the card.

    Raises:
        CardUnavailable: that does not work.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width = stream.height = _SIDE
        stream.pix_fmt = "yuv420p"
        target.mux([*stream.encode(av.VideoFrame(_SIDE, _SIDE, "yuv420p")), *stream.encode(None)])
    file.seek(0)
    try:
        with av.open(file, "r", hwaccel=HWAccel(_ON_CARD, options=_OPTIONS, allow_software_fallback=False)) as source:
            context = source.streams.video[0].codec_context
            if not [*source.decode(video=0)] or not is_on_card(context):
                raise CardUnavailable("the card decodes no H.264")
    except (av.FFmpegError, RuntimeError) as error:
        raise CardUnavailable(f"the card decodes no H.264 ({error})") from error


class PlanarFrames:
    """Convert frames to the layout in which a processor decodes them, without loss."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()  # reuses its scaler for all frames

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the frame, converted if it comes from a card."""
        planar = _PLANAR.get(frame.format.name)
        return frame if planar is None else self._reformatter.reformat(frame, format=planar)
