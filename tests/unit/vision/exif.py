"""JPEG pictures with EXIF data."""

import struct

import cv2
import numpy as np

TURNS = [  # EXIF's orientations 1 to 8: what the camera stores of an upright picture
    lambda upright: upright,
    lambda upright: upright[:, ::-1],
    lambda upright: upright[::-1, ::-1],
    lambda upright: upright[::-1],
    lambda upright: upright.transpose(1, 0, 2),
    np.rot90,
    lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    lambda upright: np.rot90(upright, -1),
]


def jpeg(pixels):
    """A JPEG of RGB pixels."""
    return cv2.imencode(".jpg", pixels[:, :, ::-1])[1].tobytes()


def with_exif(upright, orientation, order=">"):
    """A JPEG that a camera stored under an orientation, with EXIF data that has it, and another tag before it."""
    stored = jpeg(np.ascontiguousarray(TURNS[orientation - 1](upright)))
    directory = struct.pack(f"{order}HHHIHxxHHIHxxI", 2, 0x0100, 3, 1, 7, 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0" + {">": b"MM", "<": b"II"}[order] + struct.pack(order + "HI", 42, 8) + directory
    app1 = b"\xff\xe1" + struct.pack("!H", len(exif) + 2) + exif
    return stored[:2] + app1 + stored[2:]
