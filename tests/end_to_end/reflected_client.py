"""A gRPC client that knows the service by reflection only; run in a process of its own, with gRPC's defaults.

    python reflected_client.py HOST:PORT VIDEO FRAMES

FRAMES is a folder of pictures, in the order of their names 0.08 s apart.
It calls all methods, prints the responses as JSON, and imports nothing of Mien.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

CHUNK = 1 << 18


class Service:
    """The methods of `affect.v1.AffectService`, made from its description."""

    def __init__(self, channel: grpc.Channel) -> None:
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        self._channel = channel
        self.service = pool.FindServiceByName("affect.v1.AffectService")
        self._pool = pool

    def message(self, name: str) -> Any:
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(f"affect.v1.{name}"))

    def call(self, name: str, request: Any) -> Any:
        method = self.service.FindMethodByName(name)
        kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
        make = getattr(self._channel, kind)
        answer = message_factory.GetMessageClass(method.output_type)
        return make(
            f"/affect.v1.AffectService/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )(request)


def upload(service: Service, video: Path) -> Iterator[Any]:
    request, options = service.message("AnalyzeRequest"), service.message("Options")
    yield request(options=options(), size_bytes=video.stat().st_size)
    with video.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield request(chunk=chunk)


def live(service: Service, frames: Path) -> Iterator[Any]:
    request, frame = service.message("AnalyzeLiveRequest"), service.message("LiveFrame")
    yield request(options=service.message("LiveOptions")())
    for number, picture in enumerate(sorted(frames.iterdir())):
        yield request(frame=frame(time_s=0.08 * number, jpeg=picture.read_bytes()))
        time.sleep(0.08)


def main() -> None:
    address, video, frames = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    with grpc.insecure_channel(address) as channel:
        service = Service(channel)
        told = [MessageToDict(message) for message in service.call("Analyze", upload(service, video))]
        analysis_id = told[0]["accepted"]["id"]
        events = [part["event"] for part in told[1:]]
        again = service.call("WatchAnalysis", service.message("WatchAnalysisRequest")(id=analysis_id))
        read = service.call("GetAnalysis", service.message("GetAnalysisRequest")(id=analysis_id))
        listed = service.call("ListAnalyses", service.message("ListAnalysesRequest")())
        scored = [MessageToDict(message) for message in service.call("AnalyzeLive", live(service, frames))]
        seen = {
            "methods": sorted(service.service.methods_by_name),
            "live": [sorted(answer["window"]["scores"]) for answer in scored],
            "id": analysis_id,
            "windows": sum("window" in event for event in events),
            "faces": [event["face"].get("track", 0) for event in events if "face" in event],
            "ended": events[-1]["ended"]["state"],
            "watched": [message.event.WhichOneof("what") for message in again],
            "read": MessageToDict(read)["analysis"]["state"],
            "listed": [one.id for one in listed.analyses],
        }
        service.call("CancelAnalysis", service.message("CancelAnalysisRequest")(id=analysis_id))
        try:
            service.call("GetAnalysis", service.message("GetAnalysisRequest")(id=analysis_id))
        except grpc.RpcError as error:
            seen["after"] = error.code().name
    assert not [name for name in sys.modules if name.partition(".")[0] == "service"]
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
