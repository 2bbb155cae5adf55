"""Write docs/configuration.md from the settings classes; with --check, fail where the file is not what they say."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from service.gateway.settings import GatewaySettings
from service.standalone.settings import StandaloneSettings
from service.worker.settings import WorkerSettings

FILE = Path(__file__).with_name("configuration.md")
PROCESSES: dict[str, type[BaseSettings]] = {
    "mien serve": StandaloneSettings,
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
}
INTRODUCTION = """# Configuration

Every setting is an environment variable. This page is generated from the settings classes (`make docs`).
`mien serve` starts a gateway and a worker with its own environment and sets `MIEN_REDIS_URL` and
`MIEN_BLOBS_DIR` for them itself.

"""


def default(field: FieldInfo) -> str:
    """Return a field's default as one would write it in the environment."""
    value = field.default
    if field.default_factory is not None or value is PydanticUndefined or value is None:
        return ""
    if isinstance(value, tuple):
        return (
            "`" + str([Path(item).name if isinstance(item, Path) else item for item in value]).replace("'", '"') + "`"
        )
    return f"`{value}`"


def page() -> str:
    """Return the whole page: one table, a row for each variable, with the processes that read it."""
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


if __name__ == "__main__":
    if "--check" in sys.argv:
        if not FILE.exists() or FILE.read_text(encoding="utf-8") != page():
            sys.exit("docs/configuration.md is not what the settings say: run `make docs`")
    else:
        FILE.write_text(page(), encoding="utf-8")
