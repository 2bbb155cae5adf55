"""Convert decoded frames to upright RGB pictures, uint8 (H, W, 3), of bounded size.

Colours use the frame's matrix and range; without a matrix, BT.709 for high definition and BT.601 below. Rotation and
mirroring in the frame's display matrix are applied.
"""

from __future__ import annotations

import struct
from functools import cached_property

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from mien.contract.errors import CannotDecode

WORKING_SIDE = 1280  # longest side of the pictures that crops are cut from, in pixels
SMALL_SIDE = 320  # longest side of the pictures for detection and tracking, in pixels

_HD_HEIGHT = 720
_MATRICES = {  # AVColorSpace → swscale's name
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.SMPTE170M,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}


Orientation = tuple[int, bool]
"""Quarter turns counterclockwise (0 to 3), and whether the picture is mirrored left-right first."""


def orientation(matrix: bytes) -> Orientation:
    """Return a display matrix's quarter turns counterclockwise (0 to 3), and whether it mirrors left-right first.

    Args:
        matrix: nine 32-bit numbers in native order, (a, b, u, c, d, v, x, y, w): a pixel (p, q) goes to
            (a·p + c·q, b·p + d·q), with q downwards.
    """
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    turns = round(float(np.arctan2(-b, a)) / (np.pi / 2)) % 4
    return turns, mirrored


class Upright:
    """Convert the frames of one video, all to the size of the first and one orientation, with square pixels.

    Args:
        first: the first frame.
        pixel_aspect: width divided by height of a pixel; the shorter side of pixels is stretched to square ones.
        turned: how to turn the frames.
        longest_side: larger pictures are shrunk to this side, in pixels.

    Attributes:
        frame_size: width and height of the upright original frame in pixels.
        side: longest side of the pictures in pixels.
    """

    def __init__(
        self,
        first: av.VideoFrame,
        pixel_aspect: float = 1.0,
        *,
        turned: Orientation = (0, False),
        longest_side: int = WORKING_SIDE,
    ) -> None:
        self._turns, self._mirrored = turned
        wide, high = max(1.0, pixel_aspect), max(1.0, 1 / pixel_aspect)
        size = round(first.width * wide), round(first.height * high)
        self.frame_size = size[::-1] if self._turns % 2 else size
        self._size = _shrunk(size, longest_side)
        self.side = max(self._size)
        self._small_size = _shrunk(self._size, SMALL_SIDE)
        self._reformatter = VideoReformatter()  # reuses its scaler for all frames
        self._small_reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Convert a frame to an upright picture, (H, W, 3), with sides of at most `longest_side`.

        Raises:
            CannotDecode: the frame's pixel format cannot be converted.
            MemoryError: memory ran out.
        """
        return self._convert(frame, self._reformatter, self._size)

    def small(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Convert a frame to an upright picture with sides of at most `SMALL_SIDE`; see `__call__`."""
        return self._convert(frame, self._small_reformatter, self._small_size)

    def _convert(self, frame: av.VideoFrame, reformatter: VideoReformatter, size: tuple[int, int]) -> NDArray[np.uint8]:
        width, height = size
        shrinks = frame.width * frame.height > width * height
        full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        guess = Colorspace.ITU709 if min(frame.width, frame.height) >= _HD_HEIGHT else Colorspace.ITU601
        try:
            rgb = reformatter.reformat(
                frame,
                width=width,
                height=height,
                format="rgb24",
                src_colorspace=_MATRICES.get(int(frame.colorspace), guess),
                src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG,
                interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
                threads=1,
            ).to_ndarray()
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError) as error:
            raise CannotDecode("The video's colour format is not supported. Export it as H.264 in MP4.") from error
        if self._mirrored:
            rgb = rgb[:, ::-1]
        return np.ascontiguousarray(np.rot90(rgb, self._turns))


class FramePictures:
    """The upright pictures of one frame, each converted on first use."""

    def __init__(self, upright: Upright, frame: av.VideoFrame) -> None:
        self.upright = upright
        self._frame = frame

    @cached_property
    def large(self) -> NDArray[np.uint8]:
        """The picture from which faces are cropped, RGB (H, W, 3)."""
        return self.upright(self._frame)

    @cached_property
    def small(self) -> NDArray[np.uint8]:
        """The small picture in which faces are detected and tracked, RGB (h, w, 3)."""
        return self.upright.small(self._frame)


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Return how a frame's display matrix says to turn it; see `orientation`."""
    # Not `frame.side_data`, which forms a reference cycle with the frame that only garbage collection frees.
    try:
        matrix = SideDataContainer(frame).get(SideData.DISPLAYMATRIX)  # type: ignore[call-arg]
        return (0, False) if matrix is None else orientation(bytes(matrix))
    except ValueError:  # PyAV does not know some type of side data; the rotation alone can be read without it
        return round(frame.rotation / 90) % 4, False


def _shrunk(size: tuple[int, int], longest_side: int) -> tuple[int, int]:
    """Return a width and height, shrunk to sides of at most `longest_side`."""
    scale = min(1.0, longest_side / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height
