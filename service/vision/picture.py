"""Convert decoded frames to upright RGB pictures, uint8 (H, W, 3), of bounded size.

Colours use the frame's matrix and range; without a matrix, BT.709 for high definition and BT.601 below. Rotation and
mirroring in the frame's display matrix are applied.
"""

from __future__ import annotations

import struct
from functools import cached_property
from typing import NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from mien.contract.errors import CannotDecode
from service.vision.crop import square_around
from service.vision.faces import Box
from service.vision.planes import Planes, to_rgb

WORKING_SIDE = 1280  # longest side of the pictures that crops are cut from, in pixels
SMALL_SIDE = 320  # longest side of the pictures for detection and tracking, in pixels

_HD_HEIGHT = 720


class _Matrix(NamedTuple):
    """A colour matrix: swscale's name for it, and the weights of red and blue in luma."""

    name: Colorspace
    red: float
    blue: float


_BT601, _BT709 = _Matrix(Colorspace.ITU601, 0.299, 0.114), _Matrix(Colorspace.ITU709, 0.2126, 0.0722)
_MATRICES = {  # by AVColorSpace
    1: _BT709,
    4: _Matrix(Colorspace.FCC, 0.30, 0.11),
    5: _BT601,
    6: _Matrix(Colorspace.SMPTE170M, 0.299, 0.114),
    7: _Matrix(Colorspace.SMPTE240M, 0.212, 0.087),
    9: _Matrix(Colorspace.BT2020, 0.2627, 0.0593),
    10: _Matrix(Colorspace.BT2020, 0.2627, 0.0593),
}
_PLANAR = {f"{name}{sampling}p" for name in ("yuv", "yuvj") for sampling in (420, 422, 440, 444)}


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
    """Convert the frames of one video, all to the size and orientation of its first, with square pixels.

    Args:
        first: the first frame.
        pixel_aspect: width divided by height of a pixel; the shorter side of pixels is stretched to square ones.
        turned: how to turn the frames; None takes it from the first frame's display matrix.
        longest_side: larger pictures are shrunk to this side, in pixels.

    Attributes:
        frame_size: width and height of the upright original frame in pixels.
    """

    def __init__(
        self,
        first: av.VideoFrame,
        pixel_aspect: float = 1.0,
        *,
        turned: Orientation | None = None,
        longest_side: int = WORKING_SIDE,
    ) -> None:
        self._turns, self._mirrored = _orientation_of(first) if turned is None else turned
        wide, high = max(1.0, pixel_aspect), max(1.0, 1 / pixel_aspect)
        size = round(first.width * wide), round(first.height * high)
        self.frame_size = size[::-1] if self._turns % 2 else size
        self._size = _shrunk(size, longest_side)
        self._small_size = _shrunk(self._size, SMALL_SIDE)
        self._reformatter = VideoReformatter()  # reuses its scaler for all frames

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Convert a frame to an upright picture, (H, W, 3), with sides of at most `longest_side`.

        Raises:
            CannotDecode: the frame's pixel format cannot be converted.
            MemoryError: memory ran out.
        """
        rgb = self._convert(frame, "rgb24", _matrix(frame), full_range=True).to_ndarray()
        return self._upright(np.asarray(rgb, np.uint8))

    def stored(self, frame: av.VideoFrame) -> Planes:
        """Return a frame's planes, not yet turned; they are the frame's own where their format allows.

        Raises:
            CannotDecode, MemoryError: as `__call__`.
        """
        matrix, full_range = _matrix(frame), _has_full_range(frame)
        if frame.format.name not in _PLANAR or any(plane.line_size <= 0 for plane in frame.planes):
            full_range |= frame.format.is_rgb
            frame = self._convert(frame, "yuv444p", matrix, full_range=full_range)
        luma, *chroma = (
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
            for plane in frame.planes
        )
        return Planes(luma, (chroma[0], chroma[1]), to_rgb(matrix.red, matrix.blue, full_range=full_range))

    def turned(self, stored: Planes) -> Planes:
        """Return the planes of a frame upright, without copying them."""
        return stored.turned(self._turns, mirrored=self._mirrored)

    def small(self, stored: Planes) -> NDArray[np.uint8]:
        """Convert a frame's planes to an upright picture with sides of at most `SMALL_SIDE`."""
        return self._upright(stored.shrunk(self._small_size))

    def _upright(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(np.rot90(rgb[:, ::-1] if self._mirrored else rgb, self._turns))

    def _convert(self, frame: av.VideoFrame, pixels: str, matrix: _Matrix, *, full_range: bool) -> av.VideoFrame:
        width, height = self._size
        shrinks = frame.width * frame.height > width * height
        try:
            return self._reformatter.reformat(
                frame,
                width=width,
                height=height,
                format=pixels,
                src_colorspace=matrix.name,
                dst_colorspace=matrix.name,
                src_color_range=ColorRange.JPEG if _has_full_range(frame) else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
                interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
                threads=1,
            )
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError) as error:
            raise CannotDecode("The video's colour format is not supported. Export it as H.264 in MP4.") from error


class FramePictures:
    """The upright pictures of one frame, each made when it is first asked for: without a face none is cut out."""

    def __init__(self, upright: Upright, frame: av.VideoFrame) -> None:
        self._upright = upright
        self._frame = frame

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of the upright frame."""
        return self._upright.frame_size

    @cached_property
    def small(self) -> NDArray[np.uint8]:
        """The picture in which faces are found and followed, RGB (h, w, 3)."""
        return self._upright.small(self._stored)

    @cached_property
    def _stored(self) -> Planes:
        return self._upright.stored(self._frame)

    @cached_property
    def _planes(self) -> Planes:
        return self._upright.turned(self._stored)

    @property
    def detail(self) -> tuple[int, int]:
        """Height and width of what `cut_out` cuts from."""
        height, width = self._planes.luma.shape
        return height, width

    def cut_out(self, box: Box, *, margin: float, size: int) -> NDArray[np.uint8]:
        """Crop a face in all of the frame's detail, (size, size, 3).

        Args:
            box: the face's box in pixels of `small`.
            margin: as in `service.vision.crop.square_around`.
            size: side of the crop.
        """
        (height, width), small = self.detail, self.small.shape
        return self._planes.part(square_around(box, margin).scaled(width / small[1], height / small[0]), size)


def _matrix(frame: av.VideoFrame) -> _Matrix:
    guess = _BT709 if min(frame.width, frame.height) >= _HD_HEIGHT else _BT601
    return _MATRICES.get(int(frame.colorspace), guess)


def _has_full_range(frame: av.VideoFrame) -> bool:
    return frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def _orientation_of(frame: av.VideoFrame) -> Orientation:
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
