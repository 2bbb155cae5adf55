"""Record the responses of a running service as the examples of its two contracts.

python -m tests.end_to_end.recorded     # `make examples`: starts a service, sends requests, writes the responses
"""

from __future__ import annotations

import json
import re
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import grpc
import httpx2
from google.protobuf.json_format import MessageToDict

from service.gateway.openapi import EXAMPLES
from service.pb.affect.v1 import affect_pb2 as pb
from service.pb.affect.v1.affect_pb2_grpc import AffectServiceStub
from tests.processes import HANG_S, grpc_address, mien_serve
from tests.videos import face_video

PROTO = Path(__file__).parents[2] / "proto" / "affect" / "v1" / "affect.proto"
SECONDS = 1.2
_FIRST, _MORE = "// Example: ", "//     "
_WIDTH = 120


def rest(url: str, video: Path) -> dict[str, dict[str, Any]]:
    """Return operation → status → the body, as `service.gateway.openapi` takes it."""
    content, mp4 = video.read_bytes(), {"Content-Type": "video/mp4"}
    found: dict[str, dict[str, Any]] = {}
    with httpx2.Client(base_url=url, timeout=HANG_S) as http:

        def ask(operation: str, path: str = "", **how: Any) -> Any:
            method, template = operation.split()
            answer = http.request(method, path or template, **how)
            is_json = answer.headers["content-type"].endswith("json")
            body = answer.json() if is_json else answer.text
            found.setdefault(operation, {})[str(answer.status_code)] = body
            return body

        done = ask("POST /analyze", content=content, headers=mp4)["id"]
        waiting = ask("POST /analyze", content=content, headers=mp4 | {"Prefer": "respond-async"})["id"]
        ask("POST /analyze", "/analyze?face=2", content=content, headers=mp4)
        ask("POST /analyze", content=b"%PDF-1.7", headers={"Content-Type": "application/pdf"})
        ask("POST /analyze", content=content[: len(content) // 2], headers=mp4)
        ask("POST /uploads")
        http.get(f"/analyses/{waiting}", headers={"Prefer": "wait=60"})
        ask("GET /analyses", "/analyses?limit=1&state=succeeded")
        ask("GET /analyses/{analysis_id}", f"/analyses/{done}")
        ask("GET /analyses/{analysis_id}", "/analyses/none")
        ask("GET /analyses/{analysis_id}/timeline.csv", f"/analyses/{done}/timeline.csv")
        ask("GET /analyses/{analysis_id}/events", f"/analyses/{done}/events")
        ask("DELETE /analyses/{analysis_id}", "/analyses/none")
        ask("GET /models")
        ask("GET /healthz")
        ask("GET /readyz")
        for one in (done, waiting):
            http.delete(f"/analyses/{one}")
    return found


def rpc(address: str, video: Path) -> dict[str, list[dict[str, Any]]]:
    """Return message → answers of that type, in proto3's JSON form: one for each of the things that it can tell."""
    with grpc.insecure_channel(address) as channel:
        stub = AffectServiceStub(channel)
        parts = [pb.AnalyzeRequest(options=pb.Options()), pb.AnalyzeRequest(chunk=video.read_bytes())]
        told = list(stub.Analyze(iter(parts), timeout=HANG_S))
        first = {part.event.WhichOneof("what"): part for part in reversed(told)}  # of each kind; None is `accepted`
        done = told[0].accepted.id
        read = stub.GetAnalysis(pb.GetAnalysisRequest(id=done), timeout=HANG_S)
        listed = stub.ListAnalyses(pb.ListAnalysesRequest(page_size=1, state=pb.STATE_SUCCEEDED), timeout=HANG_S)
        live = next(iter(stub.AnalyzeLive(_frames(video), timeout=HANG_S)))
        stub.CancelAnalysis(pb.CancelAnalysisRequest(id=done), timeout=HANG_S)
    return {
        "AnalyzeResponse": [_told(first[kind]) for kind in (None, "began", "progress", "window", "face", "ended")],
        "GetAnalysisResponse": [_told(read)],
        "ListAnalysesResponse": [_told(listed)],
        "AnalyzeLiveResponse": [_told(live)],
    }


def kept() -> dict[str, dict[str, Any]]:
    """Return the examples of the REST API, as `rest` gives them."""
    examples: dict[str, dict[str, Any]] = json.loads(EXAMPLES.read_text("utf-8"))
    return examples


def examples_in(proto: str) -> dict[str, list[dict[str, Any]]]:
    """Return the examples in the text of the proto, as `rpc` gives them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for comment, name in re.findall(r"((?:^//.*\n)+)message (\w+)", proto, re.MULTILINE):
        for example in comment.split(_FIRST)[1:]:
            found.setdefault(name, []).append(json.loads(example.replace("\n" + _MORE, " ")))
    return found


def write(url: str, address: str, video: Path) -> None:
    """Write the service's responses into the files."""
    EXAMPLES.write_text(json.dumps(rest(url, video), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    proto = re.sub(
        f"^{re.escape(_FIRST)}.*\n(?:{re.escape(_MORE)}.*\n)*", "", PROTO.read_text("utf-8"), flags=re.MULTILINE
    )
    for name, examples in rpc(address, video).items():
        comment = "".join(_comment(example) for example in examples)
        proto = proto.replace(f"message {name} {{", f"{comment}message {name} {{")
    PROTO.write_text(proto, encoding="utf-8")


def _comment(example: dict[str, Any]) -> str:
    text = json.dumps(example, ensure_ascii=False)
    lines = textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent=_FIRST,
        subsequent_indent=_MORE,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines) + "\n"


def _told(message: Any) -> dict[str, Any]:
    told: dict[str, Any] = MessageToDict(message)
    return told


def _frames(video: Path) -> Iterator[pb.AnalyzeLiveRequest]:
    yield pb.AnalyzeLiveRequest(options=pb.LiveOptions())
    with av.open(str(video)) as container:
        began = time.monotonic()
        for frame in container.decode(video=0):
            time.sleep(max(0.0, began + frame.time - time.monotonic()))
            jpeg = cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"))[1].tobytes()
            yield pb.AnalyzeLiveRequest(frame=pb.LiveFrame(time_s=frame.time, jpeg=jpeg))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, mien_serve(Path(folder)) as served:
        write(served.url, grpc_address(served.process), face_video(Path(folder) / "face.mp4", seconds=SECONDS))
