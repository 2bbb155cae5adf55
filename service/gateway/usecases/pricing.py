"""The price of a video: the estimated cost of its analysis, by its bytes or, if that is more, by its pixels."""

from __future__ import annotations

from service.gateway.frame_count import total_pixels
from service.storage.blobs import Blobs

# Pixels per byte of usual videos: 1080p at 30 frames and 5 Mbit a second has 100 pixels a byte, 360p at 1 Mbit has 55.
_PIXELS_PER_BYTE = 100


async def price_of(blobs: Blobs, name: str, size: int) -> int:
    """Return the price of a stored video of `size` bytes.

    Raises:
        FileNotFoundError: there is no blob of this name.
        StorageUnavailable: the store cannot read it.
    """

    async def read(start: int, length: int) -> bytes:
        length = min(length, size - start)
        return await blobs.read_range(name, start, length) if length > 0 else b""

    return max(size, await total_pixels(read, size) // _PIXELS_PER_BYTE)
