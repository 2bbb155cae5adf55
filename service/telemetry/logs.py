"""Structured logs on stderr: for people on a terminal, else one JSON object a line.

Nothing of a video, a face or a result is ever logged.
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(process: str, level: str) -> None:
    """Set up structlog and the standard library's logging alike; `process` stands in every line."""

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
    # Its lines on starting and stopping say nothing that ours do not.
    logging.getLogger("uvicorn.error").setLevel("WARNING")
