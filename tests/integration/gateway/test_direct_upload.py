"""Slots for uploads to a bucket: what a URL can do, and for how long. The test plays the worker."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator

import httpx2
import pytest

from service.queue.connection import connect
from service.storage.blobs import open_blobs
from service.storage.settings import StorageSettings
from tests.integration.gateway.raw_http import video
from tests.processes import gateway, wait_for
from tests.s3 import Bucket, s3_bucket

ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
def site(redis_url, tmp_path) -> Iterator[tuple[httpx2.Client, Bucket]]:
    with s3_bucket() as bucket:
        where = {"blobs_url": "s3://mien", "s3_endpoint": bucket.endpoint, "upload_max_bytes": 50_000}
        with (
            gateway(tmp_path, redis_url, sweep_every_s=1, slots_max=2, **where) as (_, url),
            httpx2.Client(base_url=url) as http,
        ):
            yield http, bucket


def put(slot: dict[str, str], content: bytes) -> None:
    assert httpx2.put(slot["url"], content=content).status_code == 200


def accepted(http: httpx2.Client, slot: dict[str, str]) -> httpx2.Response:
    return http.post(f"/uploads/{slot['id']}/analyze", headers=ASYNC)


def test_the_url_cannot_overwrite_what_was_accepted(site, tmp_path, redis_url):
    http, bucket = site
    slot = http.post("/uploads").json()
    put(slot, video(40_000))
    assert accepted(http, slot).status_code == 202
    put(slot, video(3_000_000))

    with connect(redis_url) as redis:
        upload = redis.hget(f"mien:job:{slot['id']}", "upload")
    blobs = open_blobs(StorageSettings(blobs_url="s3://mien", s3_endpoint=bucket.endpoint, blobs_dir=tmp_path / "x"))
    assert asyncio.run(blobs.read(upload)) == video(40_000)
    assert accepted(http, slot).json()["id"] == slot["id"]
    wait_for(lambda: bucket.names == [upload])


def test_what_is_put_after_the_deletion_comes_to_nothing(site):
    http, bucket = site
    slot = http.post("/uploads").json()
    put(slot, video(1000))
    accepted(http, slot)
    assert http.delete(f"/analyses/{slot['id']}").status_code == 204
    put(slot, video(1000))

    assert accepted(http, slot).json()["code"] == "expired"
    wait_for(lambda: bucket.names == [])


def test_slots_are_bounded_and_what_lies_in_an_open_one_stays(site):
    http, _ = site
    first, _ = http.post("/uploads").json(), http.post("/uploads").json()
    put(first, video(1000))

    refused = http.post("/uploads")
    assert (refused.status_code, refused.json()["code"]) == (503, "queue_full")
    assert int(refused.headers["retry-after"]) > 0
    assert accepted(http, first).status_code == 202
    assert http.post("/uploads").status_code == 201


def test_another_video_than_the_client_means_is_not_analysed(site):
    http, bucket = site
    slot = http.post("/uploads").json()
    put(slot, video(1000))
    meant = hashlib.sha256(video(2000)).hexdigest()

    refused = http.post(f"/uploads/{slot['id']}/analyze?sha256={meant}", headers=ASYNC)
    assert (refused.status_code, refused.json()["code"]) == (422, "digest_mismatch")
    assert meant in refused.json()["detail"]
    assert bucket.names == [f"incoming/{slot['id']}"]
    assert http.get(f"/analyses/{slot['id']}").status_code == 404

    put(slot, video(2000))
    assert http.post(f"/uploads/{slot['id']}/analyze?sha256={meant.upper()}", headers=ASYNC).status_code == 202


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64, "sha-256=:x:"])
def test_what_is_no_digest_is_refused(site, digest):
    http, _ = site
    refused = http.post("/uploads/x/analyze", params={"sha256": digest})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_option")


@pytest.mark.parametrize("upload_id", ["ab-cd", "a.b", "%00", "%C3%A4", "x" * 300, "none"])
def test_an_id_that_no_upload_has_is_not_found_whatever_it_looks_like(site, upload_id):
    http, _ = site
    answer = http.post(f"/uploads/{upload_id}/analyze", headers=ASYNC)

    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_upload")
