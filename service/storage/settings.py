"""Settings of the blob store."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field


class StorageSettings(BaseModel):
    """The blob store's location, which must be the same for all processes of a service."""

    blobs_dir: Path = Field(
        Path("blobs"),
        description="Folder for uploads and results, created if it is missing. With `MIEN_BLOBS_URL`: the folder "
        "for the videos that a worker is decoding.",
    )
    blobs_url: str | None = Field(
        None,
        pattern=r"^s3://[^/]+(/.*)?$",
        description="Bucket to use instead of the folder: `s3://bucket` or `s3://bucket/prefix`. Region and "
        "credentials come from `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` or the machine's role.",
    )
    s3_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="URL of an S3-compatible object store other than Amazon S3."
    )
