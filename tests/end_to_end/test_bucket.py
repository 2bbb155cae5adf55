"""A gateway and a worker that share a bucket and nothing else, videos uploaded through the gateway or directly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from service.queue.connection import connect
from tests.processes import HANG_S, gateway, wait_for, worker
from tests.s3 import Bucket, s3_bucket


@dataclass
class Site:
    bucket: Bucket
    http: httpx2.Client
    folder: Path


@pytest.fixture(scope="module")
def site(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("bucket")
    connect(redis_server).flushall()
    with s3_bucket() as bucket:
        (folder / "worker").mkdir()
        where = {"blobs_url": "s3://mien", "s3_endpoint": bucket.endpoint}
        with (
            gateway(folder, redis_server, upload_max_bytes=3_000_000, sweep_every_s=1, **where) as (_, url),
            worker(folder / "worker", redis_server, **where),
            httpx2.Client(base_url=url, timeout=HANG_S) as http,
        ):
            yield Site(bucket, http, folder)


def put(slot: dict[str, str], content: bytes) -> None:
    assert httpx2.put(slot["url"], content=content).status_code == 200


def test_an_upload_goes_to_the_bucket_and_is_erased_there(site: Site, face: Path):
    answer = site.http.post("/analyze", content=face.read_bytes())

    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert len(found["faces"]) == 1
    [result] = site.bucket.names
    assert result.startswith(f"results/{found['id']}")
    assert site.http.get(f"/analyses/{found['id']}").json() == found
    assert site.http.delete(f"/analyses/{found['id']}").status_code == 204
    assert site.bucket.names == []


def test_a_video_goes_past_the_gateway(site: Site, face: Path):
    slot = site.http.post("/uploads")
    assert slot.status_code == 201
    slot = slot.json()
    assert site.http.post(f"/uploads/{slot['id']}/analyze").json()["code"] == "no_such_upload"

    put(slot, face.read_bytes())
    answer = site.http.post(f"/uploads/{slot['id']}/analyze?hop_s=0.5")

    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == slot["id"]
    assert len(answer.json()["faces"]) == 1
    assert site.http.get(f"/analyses/{slot['id']}").json()["state"] == "succeeded"
    assert site.http.post(f"/uploads/{slot['id']}/analyze").json() == site.http.get(f"/analyses/{slot['id']}").json()
    wait_for(lambda: not [name for name in site.bucket.names if name.startswith("uploads/")])
    site.http.delete(f"/analyses/{slot['id']}")


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty_upload"), (b"GIF89a" + bytes(100), "unsupported_container"), (bytes(3_100_000), "upload_too_large")],
)
def test_what_is_no_video_is_refused_and_erased(site: Site, content: bytes, code: str):
    slot = site.http.post("/uploads").json()
    put(slot, content)

    assert site.http.post(f"/uploads/{slot['id']}/analyze").json()["code"] == code
    assert site.bucket.names == []


def test_a_broken_video_fails_as_it_does_by_the_other_way(site: Site):
    slot = site.http.post("/uploads").json()
    put(slot, b"\x00\x00\x00\x18ftypmp42" + bytes(5000))

    answer = site.http.post(f"/uploads/{slot['id']}/analyze")

    assert (answer.status_code, answer.json()["code"]) == (422, "cannot_decode")
    assert site.bucket.names == []


def test_what_was_accepted_is_not_what_is_put_there_later(site: Site, face: Path):
    slot = site.http.post("/uploads").json()
    put(slot, face.read_bytes())
    id_ = site.http.post(f"/uploads/{slot['id']}/analyze", headers={"Prefer": "respond-async"}).json()["id"]
    put(slot, bytes(3_100_000))

    found = site.http.get(f"/analyses/{id_}", headers={"Prefer": f"wait={HANG_S}"}).json()

    assert (found["state"], len(found["faces"])) == ("succeeded", 1)
    assert site.http.delete(f"/analyses/{id_}").status_code == 204
    put(slot, face.read_bytes())
    assert site.http.post(f"/uploads/{slot['id']}/analyze").json()["code"] == "expired"
    wait_for(lambda: site.bucket.names == [])  # swept


def test_a_folder_offers_no_slots(http: httpx2.Client):
    answer = http.post("/uploads")

    assert (answer.status_code, answer.json()["code"]) == (501, "not_offered")
