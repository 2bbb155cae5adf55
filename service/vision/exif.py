"""Read the orientation in a JPEG's EXIF data (JEITA CP-3451, section 4.6.4): how a viewer has to turn the picture."""

from __future__ import annotations

import struct

from service.vision.picture import Orientation

# EXIF's orientation → quarter turns counterclockwise, and whether to mirror left-right first.
_ORIENTATIONS: dict[int, Orientation] = {
    1: (0, False),
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (1, True),
    6: (3, False),
    7: (3, True),
    8: (1, False),
}
_TAG = 0x0112
_EXIF = b"Exif\0\0"
_SOS, _APP1 = 0xDA, 0xE1


def jpeg_orientation(content: bytes) -> Orientation | None:
    """Return a JPEG's quarter turns counterclockwise (0 to 3), and whether it mirrors left-right first.

    None stands for a picture without EXIF data, or with data that cannot be read.
    """
    try:
        return _ORIENTATIONS.get(_tag(content))
    except (struct.error, IndexError):
        return None


def _tag(content: bytes) -> int:
    at = 2  # after the start of the image
    while content[at] == 0xFF and content[at + 1] != _SOS:
        (length,) = struct.unpack_from("!H", content, at + 2)
        segment = content[at + 4 : at + 2 + length]
        if content[at + 1] == _APP1 and segment.startswith(_EXIF):
            return _in_tiff(segment[len(_EXIF) :])
        at += 2 + length
    return 0


def _in_tiff(tiff: bytes) -> int:
    order = "<" if tiff.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
        tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
        if tag == _TAG:
            return int(value)
    return 0
