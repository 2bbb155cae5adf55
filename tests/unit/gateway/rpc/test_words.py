"""Error messages for gRPC clients use gRPC's names, not those of REST."""

import ast
import re
from pathlib import Path

from service.gateway import usecases
from service.gateway.rpc.words import in_grpc_words

ROOT = Path(usecases.__file__).parent
SHARED = [*ROOT.glob("*.py"), *(ROOT.parent / name for name in ("idempotency.py", "error_mapping.py", "containers.py"))]
OF_REST = re.compile(
    r"\b(GET|PUT|POST|header|query|cookie|form field|curl|cursor)\b|/docs|Idempotency-Key|Last-Event-ID"
)


def sentences(file: Path):
    """Yield the sentence of each error that a file raises."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise | ast.Return) and isinstance(
            node.exc if isinstance(node, ast.Raise) else node.value, ast.Call
        ):
            call = node.exc if isinstance(node, ast.Raise) else node.value
            for argument in call.args[:1]:
                if isinstance(argument, ast.Constant | ast.JoinedStr):
                    yield "".join(
                        part.value
                        for part in ast.walk(argument)
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    )


def test_errors_of_use_cases_name_what_grpc_has():
    found = [text for file in SHARED if file.name != "direct_upload.py" for text in sentences(file)]
    assert any("Idempotency-Key" in text for text in found)
    for text in found:
        assert not OF_REST.search(in_grpc_words(text)), text
