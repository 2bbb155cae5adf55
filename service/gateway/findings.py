"""Read a stored result face by face.

An hour of eight faces is 33 MB of JSON, and fifteen times as much as objects: they never exist all at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from typing import Any

import ijson

from mien.contract.results import Face, ModelInfo, Video


class StoredFindings:
    """The findings of an analysis, from the JSON that its worker stored (`Findings`)."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.video = Video.model_validate(self._first("video"))
        self.models = [ModelInfo.model_validate(model) for model in self._first("models")]
        self.warnings: list[str] = self._first("warnings")

    def faces(self) -> Iterator[Face]:
        """Yield the faces in order; each takes a moment, so not on the event loop."""
        yield from map(Face.model_validate, self._items("faces.item"))

    async def each_face(self) -> AsyncIterator[Face]:
        """Yield the faces in order."""
        faces = self.faces()
        while (face := await asyncio.to_thread(next, faces, None)) is not None:
            yield face

    def _first(self, name: str) -> Any:  # noqa: ANN401 - JSON
        """Return a field; those before the faces take no time."""
        return next(self._items(name))

    def _items(self, path: str) -> Iterator[Any]:
        found: Iterator[Any] = ijson.items(BytesIO(self._content), path, use_float=True)
        return found
