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
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from mien.contract.errors import CannotDecode
from service.vision.boxes import Box
from service.vision.crop import part_around, sample, square_around

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
# FFmpeg takes all grey formats for full range.
_FULL_GREY = np.clip(np.rint((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)
_PLANAR = {f"{name}{sampling}p" for name in ("yuv", "yuvj") for sampling in (420, 422, 444)}


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


def usual_matrix(width: int, height: int) -> Colorspace:
    """Return the matrix of pictures that do not name theirs: BT.709 for high definition, BT.601 below."""
    return Colorspace.ITU709 if min(width, height) >= _HD_HEIGHT else Colorspace.ITU601


class Upright:
    """Convert the frames of one video, all to the size of the first and one orientation, with square pixels.

    Args:
        first: the first frame.
        pixel_aspect: width divided by height of a pixel; the shorter side of pixels is stretched to square ones.
        turned: how to turn the frames.
        longest_side: larger pictures are shrunk to this side, in pixels.

    Attributes:
        frame_size: width and height of the upright original frame in pixels.
        size: width and height of the upright pictures.
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
        self._unturned_size = _shrunk(size, longest_side)
        self.size = self._unturned_size[::-1] if self._turns % 2 else self._unturned_size
        self._unturned_small_size = _shrunk(self._unturned_size, SMALL_SIDE)
        self._reformatter = VideoReformatter()  # reuses its scaler for all frames
        self._small_reformatter = VideoReformatter()
        self._part_reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Convert a frame to an upright picture, (H, W, 3), with sides of at most `longest_side`.

        Raises:
            CannotDecode: the frame's pixel format cannot be converted.
            MemoryError: memory ran out.
        """
        return self._convert(frame, self._reformatter, self._unturned_size)

    def small(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Convert a frame to an upright picture with sides of at most `SMALL_SIDE`; see `__call__`."""
        return self._convert(frame, self._small_reformatter, self._unturned_small_size)

    def converts_parts(self, frame: av.VideoFrame) -> bool:
        """Return whether `part` can be used.

        It can for 8-bit luma and chroma, not interlaced, and pictures neither turned nor scaled.
        """
        is_own = (frame.width, frame.height) == self._unturned_size and not self._turns and not self._mirrored
        is_even = frame.width % 2 == frame.height % 2 == 0  # FFmpeg converts others with another method
        is_planar = frame.format.name in _PLANAR and all(plane.line_size > 0 for plane in frame.planes)
        return is_own and is_even and is_planar and not frame.interlaced_frame  # FFmpeg converts their fields apart

    def part(self, frame: av.VideoFrame, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """Convert a part of a frame that begins at a multiple of 32 pixels to the same pixels as all of it."""
        width, height = columns.stop - columns.start, rows.stop - rows.start
        part = av.VideoFrame(width, height, frame.format.name)
        for whole, cut in zip(frame.planes, part.planes, strict=True):
            across, down = -(-frame.width // whole.width), -(-frame.height // whole.height)
            top, left = rows.start // down, columns.start // across
            _pixels(cut)[:] = _pixels(whole)[top : top + cut.height, left : left + cut.width]
        return self._convert(part, self._part_reformatter, (width, height), frame)

    def _convert(
        self,
        frame: av.VideoFrame,
        reformatter: VideoReformatter,
        size: tuple[int, int],
        whole: av.VideoFrame | None = None,
    ) -> NDArray[np.uint8]:
        """Convert a frame; if it is a part of a whole one, that one says what its colours mean."""
        whole = whole or frame
        width, height = size
        shrinks = frame.width * frame.height > width * height
        full = whole.color_range == ColorRange.JPEG or whole.format.name.startswith("yuvj")
        try:
            rgb = reformatter.reformat(
                frame,
                width=width,
                height=height,
                format="rgb24",
                src_colorspace=_MATRICES.get(int(whole.colorspace), usual_matrix(whole.width, whole.height)),
                src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG,
                interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
                threads=1,
            ).to_ndarray()
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError) as error:
            raise CannotDecode("The video's colour format is not supported. Export it as H.264 in MP4.") from error
        if whole.format.name.startswith("gray") and whole.color_range == ColorRange.MPEG:
            rgb = _FULL_GREY[rgb]
        if self._mirrored:
            rgb = rgb[:, ::-1]
        return np.ascontiguousarray(np.rot90(rgb, self._turns))


class FramePictures:
    """The upright pictures of one frame, each converted on first use.

    Attributes:
        frame_size: width and height of the upright frame in pixels.
        size: width and height of the upright picture from which faces are cropped.
    """

    def __init__(self, upright: Upright, frame: av.VideoFrame) -> None:
        self.frame_size, self.size = upright.frame_size, upright.size
        self._upright = upright
        self._frame = frame

    @cached_property
    def small(self) -> NDArray[np.uint8]:
        """The small picture in which faces are detected and tracked, RGB (h, w, 3)."""
        return self._upright.small(self._frame)

    @cached_property
    def _large(self) -> NDArray[np.uint8]:
        return self._upright(self._frame)

    def cut_out(self, box: Box, *, margin: float, size: int) -> NDArray[np.uint8]:
        """Crop a face to (size, size, 3); only its surroundings are converted, where that is possible.

        Args:
            box: the face's box, in pixels of a picture of `self.size`.
            margin: as in `service.vision.crop.square_around`.
            size: side of the crop.
        """
        square = square_around(box, margin)
        if not self._upright.converts_parts(self._frame):
            return sample(self._large, square, size)
        rows, columns = part_around(square, size, self.size[::-1])
        return sample(self._upright.part(self._frame, rows, columns), square.within(rows, columns), size)


def _pixels(plane: VideoPlane) -> NDArray[np.uint8]:
    """Return a plane's 8-bit pixels, (H, W), not copied."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return lines[: plane.height, : plane.width]


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
