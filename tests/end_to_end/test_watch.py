"""Every metric that the dashboard and the alerts use is exported by a running service."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest
import yaml

from tests.processes import HANG_S, free_port, gateway, wait_for, worker

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
        assert httpx2.post(f"{url}/analyze", content=face.read_bytes(), timeout=HANG_S).status_code == 200
        wait_for(lambda: 'outcome="succeeded"' in httpx2.get(f"http://127.0.0.1:{ports[1]}/metrics").text)
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


# A service on which no alert fires, minute by minute; and on what, in its place, which one does.
CALM = {
    "mien_workers": "1x60",
    "mien_queue_jobs": "0x60",
    "mien_queue_oldest_seconds": "0x60",
    "mien_redis_used_bytes": "69x60",
    "mien_redis_max_bytes": "100x60",
    'mien_gateway_refusals_total{reason="full_jobs"}': "7x60",
    'mien_gateway_refusals_total{reason="full_key_live"}': "0+9x60",
    'mien_gateway_refusals_total{reason="full_address_calls"}': "0+9x60",
    'mien_gateway_refusals_total{reason="full_address_connections"}': "0+9x60",
    'mien_worker_attempts_total{outcome="retried"}': "0+4x60",
    'mien_worker_attempts_total{outcome="succeeded"}': "0+96x60",
    'mien_gateway_requests_total{status="500"}': "0x60",
    'mien_gateway_requests_total{status="503"}': "0+50x60",
    'mien_gateway_requests_total{status="200"}': "0+50x60",
    'up{job="worker"}': "1x60",
    'mien_takes_writes{part="store"}': "1x60",
    'mien_worker_waiting{part="store"}': "0x60",
}
TROUBLE = [
    ("MienNoWorkers", {"mien_workers": "0x60", "mien_queue_jobs": "2x60"}),
    ("MienQueueOld", {"mien_queue_oldest_seconds": "901x60"}),
    ("MienQueueUnreachable", {"mien_queue_jobs": " ".join(["NaN"] * 60)}),
    ("MienStoreUnwritable", {'mien_takes_writes{part="store"}': "0x60"}),
    ("MienStoreOut", {'mien_worker_waiting{part="store"}': "1x60"}),
    ("MienRedisFull", {"mien_redis_used_bytes": "71x60"}),
    ("MienRefusing", {'mien_gateway_refusals_total{reason="full_jobs"}': "0+1x60"}),
    ("MienRefusing", {'mien_gateway_refusals_total{reason="full_connections"}': "0+1x60"}),
    ("MienJobsBreak", {'mien_worker_attempts_total{outcome="retried"}': "0+6x60"}),
    ("MienErrors", {'mien_gateway_requests_total{status="500"}': "0+2x60"}),
    ("MienDown", {'up{job="worker"}': "0x60"}),
    ("MienDown", {"mien_queue_jobs": "_x60"}),
    ("", {"mien_workers": "0x60"}),
    ("", {"mien_redis_max_bytes": "0x60"}),
    ("", {}),
]
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")


@promtool
@pytest.mark.parametrize(("firing", "series"), TROUBLE)
def test_an_alert_fires_on_its_trouble_and_on_nothing_else(firing: str, series: dict[str, str], tmp_path: Path):
    assert set(re.findall(r"alert: (\w+)", RULES.read_text())) == {alert for alert, _ in TROUBLE if alert}
    fires = [{"labels": f'{{alertname="{firing}"}}', "value": 1}] if firing else []
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in (CALM | series).items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "50m",
                "exp_samples": fires,
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))

    done = subprocess.run(["promtool", "test", "rules", file], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_promtool_takes_the_configuration_and_the_rules():
    for kind, file in (("config", "prometheus.yml"), ("rules", "rules.yml")):
        done = subprocess.run(
            ["promtool", "check", kind, WATCH / "prometheus" / file], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
