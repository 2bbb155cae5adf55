"""Callbacks to servers of the test's; the test plays the queue and the name server."""

import asyncio
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import pytest

from mien.contract.jobs import State
from service.gateway.callbacks.caller import Caller
from service.queue.jobs import Job
from tests.processes import wait_for

HANG_S = 60


class Due:
    """Callbacks that are due, one for each URL, and their jobs."""

    def __init__(self, *urls: str) -> None:
        self._urls = {str(number): url for number, url in enumerate(urls)}
        self._waiting = list(self._urls)
        self.tried = asyncio.Event()

    async def take(self, lease_s):
        return self._waiting.pop() if self._waiting else None

    async def find(self, job_id):
        return Job(
            id=job_id, state=State.SUCCEEDED, created_ms=0, fence=1, event=None, done_s=1, total_s=1, upload="u",
            started_ms=0, ended_ms=0, expires_ms=None, decode_ms=0, inference_ms=0, result="r", error=None,
            callback=self._urls[job_id],
        )  # fmt: skip

    async def end(self, job_id):
        self.tried.set()

    async def postpone(self, job_id, pauses_s):
        self.tried.set()
        return True


@asynccontextmanager
async def calling(due: Due):
    caller = Caller(due, due, b"secret", allow_private=True)
    running = asyncio.create_task(caller.run())
    yield caller
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.fixture
def _everything_is_here(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(0, 0, 0, "", ("127.0.0.1", port))])


@pytest.mark.usefixtures("_everything_is_here")
def test_what_is_not_ascii_in_a_url_is_encoded_on_its_way():
    async def scenario() -> None:
        heads = []

        async def answer(reader, writer):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        due = Due(f"http://exämple.test:{port}/fertig/für?wen=dich&mich=ü")
        async with server, calling(due), asyncio.timeout(HANG_S):
            await due.tried.wait()
        assert heads
        assert heads[0].startswith(b"POST /fertig/f%C3%BCr?wen=dich&mich=%C3%BC HTTP/1.1\r\n")
        assert f"\r\nHost: xn--exmple-cua.test:{port}\r\n".encode() in heads[0]

    asyncio.run(scenario())


@pytest.mark.usefixtures("_everything_is_here")
@pytest.mark.parametrize(
    ("host", "name"),
    [("exämple.test", "xn--exmple-cua.test"), ("EXAMPLE.test", "example.test"), ("example.test.", "example.test")],
)
def test_the_certificate_is_asked_for_by_the_encoded_name(host, name):
    async def scenario() -> list[str]:
        names = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate: the name is known before it is sent
        context.sni_callback = lambda _, name, __: names.append(name)
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
        due = Due(f"https://{host}:{server.sockets[0].getsockname()[1]}/")
        async with server, calling(due), asyncio.timeout(HANG_S):
            await due.tried.wait()
        return names

    assert asyncio.run(scenario()) == [name]


def test_names_whose_server_does_not_answer_delay_no_other_work(monkeypatch):
    async def scenario() -> str:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        asked, answered = asyncio.Event(), threading.Event()

        def getaddrinfo(*_, **__):
            loop.call_soon_threadsafe(asked.set)
            answered.wait(HANG_S)
            raise socket.gaierror

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        try:
            async with calling(Due(*["https://example.org/"] * 8)):
                await asked.wait()
                async with asyncio.timeout(10):
                    return await asyncio.to_thread(lambda: "read")
        finally:
            answered.set()

    assert asyncio.run(scenario()) == "read"


@pytest.mark.usefixtures("_everything_is_here")
def test_the_caller_lets_its_threads_go():
    def resolvers():
        return [thread for thread in threading.enumerate() if thread.name.startswith("resolver")]

    async def scenario() -> None:
        due = Due("http://example.org:1/")  # nobody listens there
        async with calling(due):
            await due.tried.wait()
            assert resolvers()

    asyncio.run(scenario())

    wait_for(lambda: not resolvers())


def test_a_callback_that_breaks_ends_no_other_and_is_tried_again():
    class Broken(Due):
        async def find(self, job_id):
            if job_id == "1":  # taken first
                raise KeyError("a defect")

    async def scenario() -> None:
        due = Broken("http://example.org/", "http://example.com/")
        async with calling(due):
            async with asyncio.timeout(HANG_S):
                await due.tried.wait()

    asyncio.run(scenario())
