"""Run a gateway that leaks on purpose at each request: memory, a descriptor and a thread."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from service.gateway import app
from service.gateway.request_context import RequestContext

_kept: list[object] = []


class LeakyContext(RequestContext):
    """Leak something at each request."""

    async def __call__(self, *request: Any) -> None:
        _kept.append(b"x" * 1_000_000)
        _kept.append(os.open(os.devnull, os.O_RDONLY))
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        await super().__call__(*request)


if __name__ == "__main__":
    app.RequestContext = LeakyContext  # type: ignore[misc]
    sys.exit(app.main())
