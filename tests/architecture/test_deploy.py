"""Checks of the deployment files that need no container engine and no cluster."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import jsonpatch
import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from packaging.requirements import Requirement

from service.gateway.settings import GatewaySettings
from service.worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "k8s" / "base"
OVERLAYS = ROOT / "deploy" / "k8s" / "overlays"
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
OVERLAID = {path.name: documents(path / "kustomization.yaml")[0] for path in sorted(OVERLAYS.iterdir())}
IMAGES: dict[str, tuple[str, ...]] = runpy.run_path(str(ROOT / "deploy" / "lock.py"))["IMAGES"]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def made(overlay: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The resources as an overlay has them; patches of what is not there raise."""
    found = dict(RESOURCES)
    for patch in OVERLAID[overlay].get("patches", []):
        target = patch["target"]["kind"], patch["target"]["name"]
        found[target] = jsonpatch.apply_patch(found[target], yaml.safe_load(patch["patch"]))
    return found


@pytest.mark.parametrize("overlay", OVERLAID)
@pytest.mark.parametrize("which", RESOURCES)
def test_kubernetes_and_keda_take_every_resource(overlay, which):
    resource = made(overlay)[which]

    if "keda.sh" in resource["apiVersion"]:
        read = getattr(keda, which[0]).model_validate(resource)
        # It leaves out what KEDA does not know.
        assert read.model_dump(by_alias=True, exclude_unset=True) == resource
    else:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)


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


@pytest.mark.parametrize("overlay", OVERLAID)
def test_an_overlay_names_every_image(overlay):
    images = {
        resource["spec"]["template"]["spec"]["containers"][0]["image"]
        for (kind, _), resource in RESOURCES.items()
        if kind == "Deployment"
    }

    assert {image["name"] for image in OVERLAID[overlay]["images"]} == images


def test_graphics_cards_are_asked_for_and_given_back():
    found = made("gpu")
    [container] = found["Deployment", "worker"]["spec"]["template"]["spec"]["containers"]

    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"name": "MIEN_PROVIDERS", "value": '["cuda"]'} in container["env"]
    assert found["ScaledObject", "worker"]["spec"]["minReplicaCount"] == 0


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
    assert files.keys() == IMAGES.keys()
    for text in files.values():
        pins = re.findall(r"^(\S+?)==(\S+)", text, re.MULTILINE)
        assert len(pins) > 15
        assert text.count("--hash=sha256:") >= len(pins)
        assert not [pin for pin in pins if "+" in pin[1]]
        assert "index-url" not in text
        assert "find-links" not in text
    assert "onnxruntime" not in files["gateway"]


@pytest.mark.parametrize("image", IMAGES)
def test_the_locked_packages_are_those_that_are_asked_for(image):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "deploy" / "requirements" / f"{image}.txt").read_text()
    pins = dict(re.findall(r"^(\S+?)==(\S+)", text, re.MULTILINE))
    asked, extras = [*map(Requirement, project["dependencies"])], list(IMAGES[image])
    for extra in extras:
        found = [Requirement(one) for one in project["optional-dependencies"][extra]]
        asked += [one for one in found if one.name != "mien"]
        extras += [other for one in found if one.name == "mien" for other in one.extras]

    assert len(asked) > 10
    assert not [str(one) for one in asked if pins.get(one.name, "none") not in one.specifier]


def test_capacity_is_counted_with_the_figure_that_was_measured():
    measured = (ROOT / "docs" / "benchmarks.md").read_text()
    planned = (ROOT / "docs" / "operations.md").read_text()
    [minutes] = map(int, re.findall(r"1 worker, each processor \| (\d+) \| minutes of video an hour", measured))
    [[said, clips, rate]] = re.findall(
        r"analyses (\d+) minutes of video an hour: (\d+) clips of 30.*?an hour and processor \((\d+)\)",
        planned,
        re.DOTALL,
    )
    [[used, mean, peak]] = re.findall(r"1,000,000 · 30 / \(1,440 · (\d+)\) = (\d+) \| (\d+) \|", planned)
    processors = 1_000_000 * 30 / (1_440 * minutes)

    assert (int(said), int(clips), int(rate), int(used)) == (minutes, 2 * minutes, minutes, minutes)
    assert (int(mean), int(peak)) == (round(processors), round(2 * processors))
