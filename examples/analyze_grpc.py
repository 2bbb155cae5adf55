"""Analyse a video by gRPC, and print what each face shows.

    python analyze_grpc.py VIDEO [HOST:PORT]

Needs `grpcio` and the stubs. From a checkout they are in `service/pb`; elsewhere, generate them from
`proto/affect/v1/affect.proto` with grpcio-tools.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import grpc

from service.pb.affect.v1.affect_pb2 import AnalyzeRequest, Options
from service.pb.affect.v1.affect_pb2_grpc import AffectServiceStub

CHUNK_BYTES = 256 * 1024


def upload(video: Path) -> Iterator[AnalyzeRequest]:
    """Give the options first, then the video in chunks."""
    yield AnalyzeRequest(options=Options(), size_bytes=video.stat().st_size)
    with video.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield AnalyzeRequest(chunk=chunk)


def main() -> None:
    """Send the video and print the verdict on each face as it comes."""
    address = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:50051"
    with grpc.insecure_channel(address) as channel:
        for answer in AffectServiceStub(channel).Analyze(upload(Path(sys.argv[1]))):
            event = answer.event
            if event.WhichOneof("what") == "face":
                face = event.face
                label = face.scores.expression.label
                print(f"Person {face.track + 1}: {label}, {face.start_s:.2f} s to {face.end_s:.2f} s")
            if event.ended.HasField("error"):
                sys.exit(event.ended.error.detail)


if __name__ == "__main__":
    main()
