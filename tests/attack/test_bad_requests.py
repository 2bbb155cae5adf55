"""Requests that are wrong, absurd or hostile."""

import httpx2
import pytest

from tests.attack.bad_files import tiny
from tests.attack.conftest import check_problem
from tests.integration.gateway.raw_http import connected


def post(http, query: str = "", **kwargs) -> httpx2.Response:
    return http.post(f"/analyze?{query}", content=tiny("mp4"), **kwargs)


def test_a_wrong_field_is_an_error(http):
    for name in ("file", "Video", "", "x" * 1000, "víde\u202eo"):
        check_problem(http.post("/analyze", files={name: ("clip.mp4", tiny("mp4"))}), 400, "wrong_field")


def test_a_form_of_fields_without_a_file_is_an_error(http):
    form = b'--b\r\nContent-Disposition: form-data; name="url"\r\n\r\nhttp://127.0.0.1/x\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    check_problem(http.post("/analyze", content=form, headers=headers), 400, "wrong_field")


@pytest.mark.parametrize("content_type", ["multipart/form-data", f"multipart/form-data; boundary={'b' * 300}"])
def test_a_form_that_cannot_be_parsed_is_an_error(http, content_type):
    answer = http.post("/analyze", content=tiny("mp4"), headers={"Content-Type": content_type})
    check_problem(answer, 400, "malformed_body")


def test_a_declared_length_over_the_limit_is_an_error(http, served):
    with connected(served.url) as raw:
        raw.head(content_length=3 << 30, expect="100-continue")
        answer = raw.answer()
    assert (answer.status, answer.problem["code"]) == (413, "upload_too_large")


@pytest.mark.parametrize(
    "name", ["nose", "Faces", "faces[]", "n%C3%A4se", "%00", "%ff%fe", "__proto__", "", "x" * 30_000]
)
def test_an_unknown_option_is_an_error_that_lists_the_known_ones(http, name):
    problem = check_problem(post(http, f"{name}=1"), 400, "unknown_option")
    assert "faces, hop_s, tasks, start_s, end_s" in problem["detail"]


@pytest.mark.parametrize(
    "query",
    [
        "faces=0", "faces=33", "faces=-1", "faces=many", "faces=", "faces=1.5", "faces=true", "faces=1%00", "faces=%ff",
        "faces=" + "9" * 30_000,
        "start_s=-1", "start_s=nan", "start_s=inf", "start_s=1e999", "start_s=x", "end_s=0", "end_s=-inf",
        "start_s=2&end_s=1", "start_s=1&end_s=1", "hop_s=0", "hop_s=0.01", "hop_s=61", "hop_s=nan",
        "tasks=", "tasks=nose", "tasks=expression,dimensions", "tasks=expression&tasks=nose",
        "tasks=" + "x" * 30_000,
        "faces=1&faces=2", "faces=1&faces=1", "start_s=0&tasks=expression&tasks=dimensions&start_s=1",
    ],
)  # fmt: skip
def test_a_bad_value_is_an_error_that_names_the_option(http, query):
    problem = check_problem(post(http, query), 400, "invalid_option")
    last = query.rsplit("&", 1)[-1].split("=")[0]
    assert last in problem["detail"]


def test_a_bad_preference_is_an_error(http):
    check_problem(post(http, headers={"Prefer": "wait=soon"}), 400, "invalid_option")


@pytest.mark.parametrize(
    "path",
    [
        "01J00000000000000000000000", "x", "%00",
        "%0d%0aX-A:%20b", "%ff%fe", "..", "...", "*", "%2A", "mien:job:x", "a%20b",
        "%F0%9F%98%80", "'%20OR%201=1", "x" * 20_000, "{id}", "%7B%7B7*7%7D%7D", "01j00000000000000000000000.1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_id_is_not_found_whatever_it_looks_like(served, http, method, path):
    with connected(served.url) as raw:
        raw.send(f"{method} /analyses/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode("latin-1"))
        answer = raw.answer()
    assert (answer.status, answer.problem["code"]) == (404, "not_found")
    assert "x-a" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/nope", "/analyses/", "/analyses/a/b", "/analyses/..%2f..", "/analyses/..%2f..%2fetc%2fpasswd",
        "/analyses/../../etc/passwd", "//analyze", "/analyze/", "/.env", "/docs/swagger/../../app.py",
        "/docs/swagger/%2e%2e/%2e%2e/app.py", "/docs/swagger/..%2f..%2fapp.py",
    ],
)  # fmt: skip
def test_an_address_where_nothing_is_gives_404_and_no_file(served, http, path):
    with connected(served.url) as raw:
        raw.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        answer = raw.answer()
    assert answer.status in (404, 307)
    assert b"root:" not in answer.body
    assert b"import" not in answer.body


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("GET", "/analyze", "POST"),
        ("PUT", "/analyze", "POST"),
        ("TRACE", "/analyze", "POST"),
        ("PATCH", "/analyses/x", "DELETE, GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_an_error_that_names_the_right_one(http, method, path, right):
    answer = http.request(method, path)
    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == right


def test_a_query_too_large_for_a_head_is_refused(served, http):
    with connected(served.url) as raw:
        try:
            raw.send(b"POST /analyze?faces=" + b"9" * 2_000_000 + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            answered = raw.answer().status
        except OSError:
            answered = None  # closed before all was sent
    assert answered in (400, None)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 1000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), b"GET\r\n\r\n", b"\r\n" * 10 + b"?\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n", b"GET \xff HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_and_the_connection_closed(served, http, data):
    with connected(served.url) as raw:
        raw.send(data)
        raw.socket.shutdown(1)
        received = b""
        while piece := raw.socket.recv(65536):
            received += piece
    assert received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421")) or not received
    assert b"Traceback" not in received


def test_an_upload_of_many_tiny_chunks_is_taken(served, http):
    with connected(served.url) as raw:
        raw.head(transfer_encoding="chunked", prefer="wait=30")
        content = tiny("mp4")
        raw.send(b"".join(b"1\r\n%c\r\n" % byte for byte in content) + b"0\r\n\r\n")
        assert raw.answer().status == 200
