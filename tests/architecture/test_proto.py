"""The proto follows buf's STANDARD and COMMENTS rules; the names are those that `buf lint` checks."""

import re
from pathlib import Path

import grpc_tools
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from service.pb.affect.v1 import affect_pb2

PROTO = "affect/v1/affect.proto"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    out = tmp_path_factory.mktemp("proto") / "set"
    folder = Path(__file__).parents[2] / "proto"
    google = Path(grpc_tools.__file__).parent / "_proto"
    assert (
        protoc.main(["", f"-I{folder}", f"-I{google}", "--include_source_info", f"--descriptor_set_out={out}", PROTO])
        == 0
    )
    (found,) = FileDescriptorSet.FromString(out.read_bytes()).file
    return found


def test_everything_is_commented(file: FileDescriptorProto):
    commented = {tuple(place.path) for place in file.source_code_info.location if place.leading_comments.strip()}

    def check(path: tuple[int, ...], name: str) -> None:
        assert path in commented, f"{name} has no comment"

    for s, service in enumerate(file.service):
        check((6, s), service.name)
        for m, method in enumerate(service.method):
            check((6, s, 2, m), method.name)
    for e, enum in enumerate(file.enum_type):
        check((5, e), enum.name)
        for v, value in enumerate(enum.value):
            check((5, e, 2, v), value.name)
    for m, message in enumerate(file.message_type):
        check((4, m), message.name)
        for f, field in enumerate(message.field):
            check((4, m, 2, f), f"{message.name}.{field.name}")
        for o, oneof in enumerate(message.oneof_decl):
            if not oneof.name.startswith("_"):  # made for optional fields
                check((4, m, 8, o), f"{message.name}.{oneof.name}")


def test_names_follow_the_style(file: FileDescriptorProto):
    assert file.name == PROTO
    assert file.package == "affect.v1"
    for service in file.service:
        assert service.name.endswith("Service")
        taken = [name for method in service.method for name in (method.input_type, method.output_type)]
        assert len(taken) == len(set(taken))
        for method in service.method:
            assert method.input_type == f".affect.v1.{method.name}Request"
            assert method.output_type == f".affect.v1.{method.name}Response"
    for enum in file.enum_type:
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper()
        assert enum.value[0].name == f"{prefix}_UNSPECIFIED"
        assert all(re.fullmatch(rf"{prefix}_[A-Z_]+", value.name) for value in enum.value)
    for message in file.message_type:
        assert re.fullmatch(r"([A-Z][a-z]+)+", message.name)
        assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name) for field in message.field)


def test_reflection_gives_the_name_that_clients_have():
    assert affect_pb2.DESCRIPTOR.name == PROTO
