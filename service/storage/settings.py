"""Settings that every process at the blob store shares."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field


class StorageSettings(BaseModel):
    """Where the blobs are. All processes of one service need the same place."""

    blobs_dir: Path = Field(
        Path("blobs"),
        description="The folder for uploads and results; made where it is missing. With `MIEN_BLOBS_URL`, where a "
        "worker puts the videos that it decodes.",
    )
    blobs_url: str | None = Field(
        None,
        pattern=r"^s3://[^/]+(/.*)?$",
        description="A bucket in place of the folder: `s3://bucket` or `s3://bucket/prefix`. Region and credentials "
        "come from `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` or the machine's role.",
    )
    s3_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="The address of a store that speaks S3's protocol and is not Amazon's."
    )
