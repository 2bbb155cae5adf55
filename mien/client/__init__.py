"""The Python client of the REST API: `Mien`, and `AsyncMien` for asyncio."""

from mien.client.aio import DEFAULT_URL, AsyncMien
from mien.client.analysis import Analysis
from mien.client.sync import Mien
from mien.client.video import Video

__all__ = ["DEFAULT_URL", "Analysis", "AsyncMien", "Mien", "Video"]
