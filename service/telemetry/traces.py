"""Record traces from a request through Redis to the worker (W3C Trace Context, exported by OTLP over HTTP).

Traces never contain data of a video, a face or a result. Without an endpoint nothing is recorded. FastAPI's own
instrumentation records HTTP requests.
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
    """Export this process's spans to a collector at `endpoint`; without an endpoint record none."""
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
    """Record the block as a child span of the current span, or of `parent`.

    Args:
        name: name of the operation.
        parent: a `traceparent` from another process.
        kind: role of the span between processes.
        attributes: attributes of the span.
    """
    context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
    tracer = trace.get_tracer("mien")
    with tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as current:
        yield current


def traceparent() -> str:
    """Return the current span's `traceparent`, or "" if nothing is recorded."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")
