"""What the dashboard and the alerts name is what a running service gives."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import httpx2
import pytest

from tests.processes import free_port, gateway, worker

WATCH = Path(__file__).parents[2] / "deploy" / "watch"
RULES = WATCH / "prometheus" / "rules.yml"
DASHBOARD = WATCH / "grafana" / "dashboards" / "mien.json"
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture(scope="module")
def metrics(redis_server: str, tmp_path_factory: pytest.TempPathFactory, face: Path) -> set[str]:
    """The names of all samples, once a video went through."""
    folder = tmp_path_factory.mktemp("watch")
    ports = free_port(), free_port()
    with (
        gateway(folder, redis_server, gateway_metrics_port=ports[0]) as (_, url),
        worker(folder, redis_server, metrics_port=ports[1]),
    ):
        assert httpx2.post(f"{url}/analyze", content=face.read_bytes(), timeout=60).status_code == 200
        time.sleep(0.2)
        texts = [httpx2.get(f"http://127.0.0.1:{port}/metrics").text for port in ports]
        assert "mien_queue_jobs" in httpx2.get(f"{url}/metrics").text
    lines = [line for text in texts for line in text.splitlines()]
    samples = {re.match(r"\w+", line)[0] for line in lines if not line.startswith("#")}
    described = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    return samples | described


def named(text: str) -> set[str]:
    return set(re.findall(r"mien_\w+", text))


def test_every_metric_of_the_dashboard_exists(metrics: set[str]):
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = named(" ".join(target["expr"] for panel in panels for target in panel["targets"]))

    assert len(asked) > 12
    assert asked <= metrics


def test_every_metric_of_the_alerts_exists(metrics: set[str]):
    asked = named(RULES.read_text())

    assert len(asked) > 4
    assert asked <= metrics


def test_every_alert_has_its_page_in_the_run_book():
    alerts = re.findall(r"alert: (\w+)", RULES.read_text())
    pages = re.findall(r"^### (\w+)", OPERATIONS.read_text(), re.MULTILINE)
    links = re.findall(r"operations\.md#(\w+)", RULES.read_text())

    assert sorted(alerts) == sorted(pages)
    assert [alert.lower() for alert in alerts] == links


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_takes_the_configuration_and_the_rules():
    for kind, file in (("config", "prometheus.yml"), ("rules", "rules.yml")):
        done = subprocess.run(
            ["promtool", "check", kind, WATCH / "prometheus" / file], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
