"""Read no faster from a WebSocket than its client reads: each ping is answered, and answers must not pile up."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class LiveProtocol(WebSocketsSansIOProtocol):
    """A WebSocket (RFC 6455) that is not read while what was written to it waits for its client.

    uvicorn writes pongs (section 5.5.3) without waiting, so that a client that sends pings and reads nothing would fill
    the gateway's memory.
    """

    def pause_writing(self) -> None:
        """Stop reading, because the client does not read."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again, unless a message waits to be taken."""
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    async def receive(self) -> Any:  # noqa: ANN401 - the type of ASGI events is private to uvicorn
        """Return the next ASGI event; where writing is paused, reading stays so."""
        message = await super().receive()
        if not self.writable.is_set():
            self.transport.pause_reading()
        return message
