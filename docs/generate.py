"""Write the generated pages, configuration.md and openapi.json; with --check, fail if one is out of date."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from service.gateway.app import create_app
from service.gateway.settings import GatewaySettings
from service.standalone.settings import StandaloneSettings
from service.worker.settings import WorkerSettings

FOLDER = Path(__file__).parent
PROCESSES: dict[str, type[BaseSettings]] = {
    "mien serve": StandaloneSettings,
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
}
INTRODUCTION = """# Configuration

Every setting is an environment variable. This page is generated from the settings classes (`make docs`).
`mien serve` starts a gateway and a worker with its own environment and sets `MIEN_REDIS_URL` and
`MIEN_BLOBS_DIR` for them itself. The other commands of `mien` also read `MIEN_URL` and `MIEN_KEY` (`--url`, `--key`);
[operations.md](operations.md#one-machine) has the variables of `docker-compose.yml`.

"""


def default(field: FieldInfo) -> str:
    """Return a field's default as one would write it in the environment."""
    value = field.default
    if field.default_factory is not None or value is PydanticUndefined or value is None:
        return ""
    if isinstance(value, tuple):
        items = [str(item.relative_to(FOLDER.parent)) if isinstance(item, Path) else item for item in value]
        return f"`{json.dumps(items)}`"
    return f"`{value}`"


def configuration() -> str:
    """Return the page of settings: a row for each variable, with the processes that read it."""
    fields: dict[str, tuple[FieldInfo, list[str]]] = {}
    for process, settings in PROCESSES.items():
        for name, field in settings.model_fields.items():
            fields.setdefault(name, (field, []))[1].append(process)
    rows = ["| variable | read by | default | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `MIEN_{name.upper()}` | {', '.join(processes)} | {default(field)} | {field.description} |"
        for name, (field, processes) in fields.items()
    ]
    return INTRODUCTION + "\n".join(rows) + "\n"


def openapi() -> str:
    """Return the description of the REST API."""
    return json.dumps(create_app(GatewaySettings()).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file, content in {"configuration.md": configuration(), "openapi.json": openapi()}.items():
        path = FOLDER / file
        if "--check" not in sys.argv:
            path.write_text(content, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != content:
            sys.exit(f"docs/{file} is not what the code says: run `make docs`")
