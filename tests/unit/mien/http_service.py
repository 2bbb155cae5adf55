"""An HTTP service whose responses a test scripts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Request(BaseHTTPRequestHandler):
    """A request to respond to."""

    def body(self) -> bytes:
        """Return the body, shorter than declared if the client gives up."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def respond(self, status: int, content: str = "", **headers: str) -> None:
        """Send a response."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content.encode())), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content.encode())

    def fail(self, status: int, code: str) -> None:
        """Send an error."""
        self.respond(status, json.dumps({"code": code, "title": "A title.", "detail": "What happened."}))

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def responding(respond: Callable[[Request], None]) -> Iterator[str]:
    """Serve with `respond`, which may return without a response: then the connection is lost. Give the URL."""

    class Handler(Request):
        def do_GET(self) -> None:
            respond(self)

        def do_POST(self) -> None:
            respond(self)

        def do_DELETE(self) -> None:
            respond(self)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
