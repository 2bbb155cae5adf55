"""Refused uploads: before the body is read where possible, and always with a response that the client can read."""

import http.client
import json
import shutil
import subprocess

import httpx2
import pytest

from service.queue import keys
from service.queue.connection import connect
from tests.integration.gateway.raw_http import HEAD, connected, files, untouched, video
from tests.processes import HANG_S, gateway, wait_for

ASYNC = {"Prefer": "respond-async"}
BIG = 20_000_000


def fill(url: str) -> None:
    """Queue one job."""
    assert httpx2.post(f"{url}/analyze", content=video(1000), headers=ASYNC).status_code == 202


@pytest.fixture(scope="module")
def full(redis_server, tmp_path_factory):
    """A gateway whose queue takes one job; `fill` it first."""
    folder = tmp_path_factory.mktemp("full")
    with gateway(folder, redis_server, queue_max_jobs=1) as (_, url):
        yield url, folder


@pytest.mark.parametrize(
    ("settings", "reason"), [({"queue_max_jobs": 1}, "jobs"), ({"queue_max_bytes": 1500}, "store has no room")]
)
def test_a_full_service_says_so_before_a_byte_of_the_body_is_sent(redis_url, tmp_path, settings, reason):
    with gateway(tmp_path, redis_url, **settings) as (_, url), connected(url) as raw:
        fill(url)
        raw.head(content_length=1000, expect="100-continue", **ASYNC)
        answer = raw.answer()
        assert answer.status == 503  # and no 100 before it
        assert answer.problem["code"] == "queue_full"
        assert reason in answer.problem["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert len(files(tmp_path)) == 1


def test_uploads_under_way_count_as_jobs(redis_url, full):
    url, _ = full
    with connected(url) as first, connected(url) as second, connect(redis_url) as client:
        first.head(content_length=1000)
        first.send(HEAD)
        wait_for(lambda: client.zcard(keys.RESERVED))
        second.head(content_length=1000, expect="100-continue")
        assert second.answer().problem["code"] == "queue_full"


def test_a_client_that_waits_for_it_is_told_to_go_on(running):
    with connected(running.url) as raw:
        raw.head(content_length=1000, expect="100-continue", **ASYNC)
        assert raw.answer().status == 100
        raw.send(video(1000))
        assert raw.answer().status == 202


@pytest.mark.parametrize(
    ("path", "headers", "code", "status"),
    [
        ("/analyze", {"content_length": 1 << 40}, "upload_too_large", 413),
        ("/analyze", {"content_length": 6_000_000}, "upload_too_large", 413),
        ("/analyze?faces=0", {"content_length": 1000}, "invalid_option", 400),
        ("/analyze?nose=1", {"content_length": 1000}, "unknown_option", 400),
        ("/analyze", {"content_length": 1000, "prefer": "wait=x"}, "invalid_option", 400),
        ("/analyse", {"content_length": 1000}, "no_such_page", 404),
    ],
)
def test_what_the_head_gives_away_is_refused_without_reading_on(running, path, headers, code, status):
    with connected(running.url) as raw:
        raw.head(path=path, expect="100-continue", **headers)
        answer = raw.answer()
        assert (answer.status, answer.problem["code"]) == (status, code)
        assert answer.headers["connection"] == "close"
    assert untouched(running.redis, running.folder)


def bodies() -> dict[str, tuple[bytes, str, str]]:
    """Name → a body that is refused somewhere in its middle, its content type and the code."""
    form = "multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\n\r\n'
    return {
        "too large": (video(BIG), "video/mp4", "upload_too_large"),
        "no video": (b"words " * (BIG // 6), "video/mp4", "unsupported_container"),
        "wrong field": (part % b"file" + video(BIG), form, "wrong_field"),
        "no form": (video(BIG), form, "malformed_body"),
    }


@pytest.mark.parametrize("kind", bodies())
@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_a_client_that_sends_all_before_it_reads_still_gets_the_problem(running, kind, connection):
    body, content_type, code = bodies()[kind]
    with connected(running.url) as raw:
        # Chunked, so that the size does not give it away.
        raw.head(transfer_encoding="chunked", content_type=content_type, connection=connection)
        for start in range(0, len(body), 1 << 20):
            raw.chunk(body[start : start + (1 << 20)])
        raw.chunk(b"")
        assert raw.answer().problem["code"] == code
    wait_for(lambda: untouched(running.redis, running.folder))


@pytest.mark.parametrize("kind", bodies())
def test_httpx_reads_the_problem_of_an_upload_refused_in_the_middle(running, kind):
    body, content_type, code = bodies()[kind]

    def chunks():
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    headers = {"Content-Type": content_type}
    assert running.http.post("/analyze", content=body, headers=headers).json()["code"] in (code, "upload_too_large")
    assert running.http.post("/analyze", content=chunks(), headers=headers).json()["code"] == code


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
@pytest.mark.parametrize(
    "extra", [[], ["-H", "Expect:"], ["-H", "Expect:", "-H", "Connection: close"], ["-0", "-H", "Expect:"]]
)
def test_curl_reads_the_problem_of_an_upload_refused_in_the_middle(running, extra, tmp_path):
    (tmp_path / "words").write_bytes(b"words " * (4_800_000 // 6))
    (tmp_path / "large").write_bytes(video(BIG))
    for arguments, code in (
        (["--data-binary", f"@{tmp_path}/words"], "unsupported_container"),
        (["-F", f"video=@{tmp_path}/words"], "unsupported_container"),
        (["-F", f"file=@{tmp_path}/words"], "wrong_field"),
        (["-F", f"video=@{tmp_path}/large"], "upload_too_large"),
    ):
        done = subprocess.run(
            ["curl", "-sS", *extra, *arguments, f"{running.url}/analyze"], capture_output=True, check=True
        )
        assert json.loads(done.stdout)["code"] == code, done


def test_a_full_service_is_readable_for_a_client_that_does_not_wait(redis_url, full):
    url, _ = full
    fill(url)
    client = http.client.HTTPConnection(url.removeprefix("http://"), timeout=HANG_S)
    client.request("POST", "/analyze", body=video(BIG), headers={"Connection": "close"})
    answer = client.getresponse()
    assert (answer.status, json.load(answer)["code"]) == (503, "queue_full")
    client.close()


def test_a_refused_upload_that_never_ends_is_cut_off(running):
    with connected(running.url) as raw:
        raw.head(content_length=4_000_000)
        raw.send(b"no video" * 10)
        assert raw.answer().problem["code"] == "unsupported_container"
        assert raw.closed()


def test_an_upload_that_stands_still_gets_408_and_leaves_nothing(hasty):
    with connected(hasty.url) as raw:
        raw.head(content_length=4_000_000)
        raw.send(video(300_000))
        answer = raw.answer()
        assert (answer.status, answer.problem["code"]) == (408, "upload_stalled")
    assert untouched(hasty.redis, hasty.folder)


@pytest.mark.parametrize("sent", [0, 10, 300_000, 2_500_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_leaves_in_mid_upload_leaves_nothing(running, sent, chunked):
    with connected(running.url) as raw:
        raw.head(**({"transfer_encoding": "chunked"} if chunked else {"content_length": 4_000_000}))
        if sent:
            (raw.chunk if chunked else raw.send)(video(max(sent, len(HEAD)))[:sent])
        if sent > len(HEAD):
            wait_for(lambda: running.redis.zcard(keys.RESERVED) == 1)
    wait_for(lambda: untouched(running.redis, running.folder))
    assert running.redis.get(keys.LIVE_BYTES) is None


def test_a_form_whose_length_is_less_than_it_has_is_refused(running):
    with connected(running.url) as raw:
        part = (
            b'--x\r\nContent-Disposition: form-data; name="video"; filename="a"\r\n\r\n'
            + video(5000)
            + b"\r\n--x--\r\n"
        )
        raw.head(content_length=3000, content_type="multipart/form-data; boundary=x")
        raw.send(part)
        assert raw.answer().status == 400
    wait_for(lambda: untouched(running.redis, running.folder))


def test_bytes_beyond_the_declared_length_are_not_taken_for_video(running):
    with connected(running.url) as raw:
        raw.head(content_length=1000, **ASYNC)
        raw.send(video(5000))
        first = raw.answer()
        assert first.status in (202, 400)
    stored = files(running.folder)
    assert [file.stat().st_size for file in stored] in ([1000], [])


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "99999999999999999999999", "5, 6", ""])
def test_a_length_that_is_no_number_is_a_bad_request(running, length):
    with connected(running.url) as raw:
        raw.head(content_length=length)
        assert raw.answer().status == 400
        assert raw.closed()
    assert untouched(running.redis, running.folder)


def test_a_length_beside_chunks_smuggles_nothing(running):
    with connected(running.url) as raw:
        raw.head(content_length=5, transfer_encoding="chunked")
        raw.send(b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.answer().status in (400, 422)  # not to be read at all, or read as chunks and empty
        assert raw.closed()


def test_an_unparsable_chunk_ends_the_upload(running):
    with connected(running.url) as raw:
        raw.head(transfer_encoding="chunked")
        raw.chunk(video(1000))
        raw.send(b"zzz\r\n")
        assert raw.answer().status == 400
    wait_for(lambda: untouched(running.redis, running.folder))


def test_a_head_without_end_is_refused_and_not_gathered(running):
    before = running.process.rss_bytes()
    for beginning in (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ",
        b"GET /",
        b"POST /analyze HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: ",
    ):
        with connected(running.url) as raw:
            raw.send(beginning)
            with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, whichever comes first
                raw.send(b"a" * 100_000_000)
    assert running.process.rss_bytes() - before < 30_000_000
    assert running.http.get("/healthz").status_code == 200


def test_a_large_head_below_the_bound_is_taken(running):
    assert running.http.get("/healthz", headers={"X-Large": "a" * 60_000}).status_code == 200


def test_a_small_body_after_a_large_one_finds_the_connection_in_order(running):
    for size in (3_000_000, 100, 2_000_000, 50):
        assert running.http.post("/analyze", content=video(size), headers=ASYNC).status_code == 202
    assert sorted(file.stat().st_size for file in files(running.folder)) == [50, 100, 2_000_000, 3_000_000]


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, zstd"])
def test_an_encoded_body_is_refused_before_it_is_read(running, encoding):
    with connected(running.url) as raw:
        raw.head(content_length=1000, expect="100-continue", content_encoding=encoding)
        answer = raw.answer()
    assert (answer.status, answer.problem["code"]) == (415, "unsupported_encoding")
    assert encoding.split(", ")[-1] in answer.problem["detail"]
    assert answer.headers["accept-encoding"] == "identity"
    assert untouched(running.redis, running.folder)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["-F", "video=clip.mp4"], "-F video=@clip.mp4"),
        (["-F", "video=@clip.mp4;encoder=base64"], "base64"),
        (["-d", "clip.mp4"], "--data-binary @clip.mp4"),
        (["-d", "@clip.mp4"], "--data-binary @FILE"),
        (["-d", "video=@clip.mp4"], "-F video=@clip.mp4"),
        (["--data-urlencode", "video@clip.mp4"], "-F video=@clip.mp4"),
        (["-F", "video=@clip.mp4", "-H", "Content-Type: video/mp4"], "multipart form"),
        (["--json", '{"video": "clip.mp4"}'], "JSON"),
        (["-X", "POST"], "no bytes"),
    ],
)
def test_what_people_get_wrong_with_curl_is_named(running, tmp_path, arguments, named):
    (tmp_path / "clip.mp4").write_bytes(video(1000) + bytes(range(256)))
    done = subprocess.run(
        ["curl", "-sS", *arguments, f"{running.url}/analyze"], capture_output=True, check=True, cwd=tmp_path
    )
    assert named in json.loads(done.stdout)["detail"]
