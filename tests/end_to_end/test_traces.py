"""One trace from a request through Redis to the worker, received by a collector that the test plays."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service.pb.affect.v1 import affect_pb2 as pb
from service.pb.affect.v1.affect_pb2_grpc import AffectServiceStub
from service.telemetry.traces import span, traceparent
from tests.processes import HANG_S, gateway, grpc_address, wait_for, worker

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """An OTLP receiver: what each process sent, as (service, span)."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, object]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    named = {one.key: one.value.string_value for one in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        collector.spans += [(named["service.name"], span) for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def named(self, name: str) -> list[object]:
        return [span for _, span in self.spans if span.name == name]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()


def test_one_trace_leads_from_the_request_to_the_worker(redis_url: str, tmp_path: Path, collector, face: Path):
    how = {"otlp_endpoint": collector.endpoint}
    with gateway(tmp_path, redis_url, **how) as (process, url), worker(tmp_path, redis_url, **how) as running:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        answer = httpx2.post(f"{url}/analyze", content=face.read_bytes(), headers=headers, timeout=HANG_S)
        assert answer.status_code == 200
        with grpc.insecure_channel(grpc_address(process)) as channel:
            AffectServiceStub(channel).ListAnalyses(
                pb.ListAnalysesRequest(), metadata=(("traceparent", headers["traceparent"]),)
            )
        running.end()
        process.end()
    wait_for(lambda: collector.named("attempt") and collector.named("POST /analyze"))

    [request], [attempt], [analyze] = (collector.named(name) for name in ("POST /analyze", "attempt", "analyze"))
    [listed] = collector.named("affect.v1.AffectService/ListAnalyses")
    assert {span.trace_id.hex() for span in (request, attempt, analyze, listed)} == {TRACE}
    assert request.parent_span_id.hex() == listed.parent_span_id.hex() == PARENT
    parents = {span.span_id: span.parent_span_id for _, span in collector.spans}
    above = [attempt.parent_span_id]
    while above[-1] in parents:
        above.append(parents[above[-1]])
    assert request.span_id in above
    assert analyze.parent_span_id == attempt.span_id
    assert {service for service, _ in collector.spans} == {"mien-gateway", "mien-worker"}
    assert face.name not in str(collector.spans)


def test_without_an_endpoint_nothing_is_recorded():
    with span("nothing"):
        assert traceparent() == ""
