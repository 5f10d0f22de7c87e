"""The manifests as `kubectl apply -k` would send them, and ways to find things in them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OVERLAYS = {
    "base": ROOT / "k8s" / "base",
    "dev": ROOT / "k8s" / "overlays" / "dev",
    "prod": ROOT / "k8s" / "overlays" / "prod",
    "options": Path(__file__).parent / "with_options",
}
DEPLOYED = ("dev", "prod", "options")

Manifest = dict[str, Any]


@cache
def rendered(overlay: str) -> list[Manifest]:
    kubectl = shutil.which("kubectl")
    if kubectl is None and not os.environ.get("CI"):
        pytest.skip("The manifests are rendered by `kubectl kustomize`, and it is missing.")
    command = [kubectl or "kubectl", "kustomize", str(OVERLAYS[overlay])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, kind: str) -> list[Manifest]:
    return [manifest for manifest in rendered(overlay) if manifest["kind"] == kind]


def the(overlay: str, kind: str, name: str) -> Manifest:
    (found,) = [m for m in of_kind(overlay, kind) if m["metadata"]["name"] == name]
    return found


def settings_of(overlay: str) -> dict[str, str]:
    """Return what the generated ConfigMap gives the service's pods."""
    used = container(the(overlay, "Deployment", "session-service"))["envFrom"]
    (name,) = [source["configMapRef"]["name"] for source in used]
    data: dict[str, str] = the(overlay, "ConfigMap", name)["data"]
    return data


def workloads(overlay: str) -> list[Manifest]:
    return [m for m in rendered(overlay) if m["kind"] in {"Deployment", "StatefulSet", "Job"}]


def pod(workload: Manifest) -> dict[str, Any]:
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Manifest) -> dict[str, Any]:
    (only,) = pod(workload)["containers"]
    found: dict[str, Any] = only
    return found


def containers(overlay: str) -> Iterator[tuple[Manifest, dict[str, Any]]]:
    for workload in workloads(overlay):
        for one in [*pod(workload).get("initContainers", []), *pod(workload)["containers"]]:
            yield workload, one


def selects(selector: dict[str, str], workload: Manifest) -> bool:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    return all(labels.get(label) == value for label, value in selector.items())
