"""moto's S3 server in this process, and a bucket on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
import pytest
from moto.server import ThreadedMotoServer

_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@dataclass
class Bucket:
    """An empty bucket."""

    name: str
    endpoint: str

    @property
    def names(self) -> list[str]:
        found = self._client().list_objects_v2(Bucket=self.name)
        return [item["Key"] for item in found.get("Contents", [])]

    def clear(self) -> None:
        for name in self.names:
            self._client().delete_object(Bucket=self.name, Key=name)

    def make(self) -> None:
        self._client().create_bucket(Bucket=self.name)

    def put(self, name: str, content: bytes) -> None:
        self._client().put_object(Bucket=self.name, Key=name, Body=content)

    def unfinished(self) -> int:
        return len(self._client().list_multipart_uploads(Bucket=self.name).get("Uploads", []))

    def _client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=_CREDENTIALS["AWS_REGION"],
            aws_access_key_id=_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def s3_bucket() -> Iterator[Bucket]:
    """Run the server; yield a bucket on it, with its credentials in the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        bucket = Bucket("mien", f"http://{host}:{port}")
        bucket.make()
        bucket.clear()  # servers in one process share their data
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in _CREDENTIALS.items():
                patch.setenv(variable, value)
            yield bucket
    finally:
        server.stop()
