"""Traces: one from a request through Redis to the worker (W3C Trace Context, sent by OTLP over HTTP).

Nothing of a video, a face or a result is in them. Where no endpoint is set, nothing is recorded. FastAPI records HTTP
requests by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


def configure_traces(process: str, endpoint: str | None) -> None:
    """Send the spans of this process to a collector at `endpoint`; record none where there is no endpoint."""
    if endpoint is None:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": f"mien-{process}"}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


@contextmanager
def span(
    name: str, *, parent: str = "", kind: SpanKind = SpanKind.INTERNAL, **attributes: str | float
) -> Iterator[Span]:
    """Record what the block does, as a part of the span that surrounds it, or of `parent`.

    Args:
        name: what is done.
        parent: a `traceparent`, of another process.
        kind: which part it plays between processes.
        attributes: what else is known of it.
    """
    context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
    tracer = trace.get_tracer("mien")
    with tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as current:
        yield current


def traceparent() -> str:
    """Return the current span's `traceparent`; "" where nothing is recorded."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")
