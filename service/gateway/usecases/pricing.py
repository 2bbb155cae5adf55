"""The price of a video: what its analysis will take, in bytes, or in pixels where these say more."""

from __future__ import annotations

from service.gateway.frame_count import pixels_in_all
from service.storage.blobs import Blobs

# What usual videos have: 1080p at 30 frames and 5 Mbit a second has 100 pixels a byte, 360p at 1 Mbit has 55.
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

    return max(size, await pixels_in_all(read, size) // _PIXELS_PER_BYTE)
