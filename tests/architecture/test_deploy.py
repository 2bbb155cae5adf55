"""What can be said of the deployment files without an engine or a cluster."""

from __future__ import annotations

import re
from functools import reduce
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.gateway.settings import GatewaySettings
from service.worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "k8s" / "base"
KUBERNETES = "1.31"
KNOWN = {f"MIEN_{name.upper()}" for settings in (GatewaySettings, WorkerSettings) for name in settings.model_fields}
# The images' names for Compose, what is set on the host, and what KEDA reads.
OTHERS = {
    "MIEN_REDIS_MEMORY", "MIEN_REDIS_MAXMEMORY", "MIEN_GATEWAY_MEMORY", "MIEN_WORKER_MEMORY", "MIEN_WORKER_CPUS",
    "MIEN_REDIS_ADDRESS",
}  # fmt: skip


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


RESOURCES = {
    (found["kind"], found["metadata"]["name"]): found
    for name in documents(BASE / "kustomization.yaml")[0]["resources"]
    for found in documents(BASE / name)
}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.mark.parametrize("which", [which for which in RESOURCES if "keda.sh" not in RESOURCES[which]["apiVersion"]])
def test_kubernetes_takes_every_resource(which):
    kubernetes_validate.validate(RESOURCES[which], KUBERNETES, strict=True)


@pytest.mark.parametrize("which", [("Deployment", "gateway"), ("Deployment", "worker")])
def test_pods_may_do_next_to_nothing(which):
    pod = RESOURCES[which]["spec"]["template"]["spec"]
    [container] = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_worker_drains_before_it_is_killed():
    pod = RESOURCES["Deployment", "worker"]["spec"]["template"]["spec"]
    environment = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}

    assert float(environment["MIEN_DRAIN_S"]) < pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_an_overlay_changes_what_is_there(overlay):
    [kustomization] = documents(ROOT / "deploy" / "k8s" / "overlays" / overlay / "kustomization.yaml")
    images = {
        resource["spec"]["template"]["spec"]["containers"][0]["image"]
        for (kind, _), resource in RESOURCES.items()
        if kind == "Deployment"
    }

    assert {image["name"] for image in kustomization["images"]} == images
    for patch in kustomization.get("patches", []):
        target = RESOURCES[patch["target"]["kind"], patch["target"]["name"]]
        for change in yaml.safe_load(patch["patch"]):
            *above, last = [part.replace("~1", "/") for part in change["path"].split("/")[1:]]
            place = reduce(lambda found, key: found[int(key) if key.isdigit() else key], above, target)
            assert change["op"] == "add" or last in place


def test_the_stream_is_scaled_by_its_length():
    [trigger] = RESOURCES["ScaledObject", "worker"]["spec"]["triggers"]

    assert trigger["metadata"]["stream"] == "mien:queue"
    assert "consumerGroup" not in trigger["metadata"]


@pytest.mark.parametrize("name", COMPOSE)
def test_every_container_is_shut_in(name):
    service = COMPOSE[name]

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert ("ports" in service) == (name == "gateway")
    assert service.get("networks", []) == {"gateway": ["inside", "outside"], "secrets": []}.get(name, ["inside"])


@pytest.mark.parametrize(
    "path",
    [ROOT / "Dockerfile", ROOT / "docker-compose.yml", *(ROOT / "deploy").rglob("*.y*ml"), ROOT / "docs/operations.md"],
    ids=lambda path: path.name,
)
def test_settings_that_are_named_exist(path):
    named = set(re.findall(r"MIEN_[A-Z0-9_]*[A-Z0-9]", path.read_text()))

    assert {name for name in named - KNOWN - OTHERS if not name.endswith("_IMAGE")} <= {"MIEN_QUEUE_MAX"}


def test_the_packages_of_the_images_are_pinned_with_hashes():
    files = {path.stem: path.read_text() for path in (ROOT / "deploy" / "requirements").glob("*.txt")}
    assert {"gateway", "worker"} <= files.keys()
    for text in files.values():
        pins = re.findall(r"^(\S+?)==(\S+)", text, re.MULTILINE)
        assert len(pins) > 15
        assert text.count("--hash=sha256:") >= len(pins)
        assert not [pin for pin in pins if "+" in pin[1]]
        assert "index-url" not in text
        assert "find-links" not in text
    assert "onnxruntime" not in files["gateway"]
