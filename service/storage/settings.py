"""Settings that every process at the blob store shares."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field


class StorageSettings(BaseModel):
    """Where the blobs are. All processes of one service need the same folder."""

    blobs_dir: Path = Field(Path("blobs"), description="The folder for uploads and results; made where it is missing.")
