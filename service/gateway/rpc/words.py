"""Translate the messages of errors, which use cases write for REST, into gRPC's terms."""

from __future__ import annotations

_WORDS = (
    ("`Authorization: Bearer mien_…`", "metadata `authorization`: `Bearer mien_…`"),
    ("Options are described at /docs", "Options are described in affect/v1/affect.proto"),
    ("Idempotency-Key", "idempotency_key"),
    ("POST /analyze", "Analyze"),
    ("cursor:", "page_token:"),
    ("the last page's `next`", "the last page's `next_page_token`"),
    ("Last-Event-ID", "after_event_id"),
)


def in_grpc_words(detail: str) -> str:
    """Return the sentence with gRPC's names of methods, fields and metadata."""
    for rest, grpc in _WORDS:
        detail = detail.replace(rest, grpc)
    return detail
