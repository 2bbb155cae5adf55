"""The Python client of the REST door: `Mien`, and `AsyncMien` for asyncio."""

from mien.client.aio import DEFAULT_URL, AsyncMien, Video
from mien.client.sync import Mien

__all__ = ["DEFAULT_URL", "AsyncMien", "Mien", "Video"]
