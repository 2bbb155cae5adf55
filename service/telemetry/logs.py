"""Configure structured logs on stderr: readable on a terminal, otherwise one JSON object per line.

Logs never contain data of a video, a face or a result.
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(process: str, level: str) -> None:
    """Configure structlog and the standard library's logging; every line contains `process`."""

    def named(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        # A context variable would be missing in threads.
        return {"process": process, **event}

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        named,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    finish: list[structlog.typing.Processor]
    if sys.stderr.isatty():
        finish = [structlog.dev.ConsoleRenderer()]
    else:
        finish = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Its start and stop messages duplicate ours.
    logging.getLogger("uvicorn.error").setLevel("WARNING")
