"""Kubernetes would accept every manifest, in each supported version."""

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from kubernetes_validate.utils import all_versions  # type: ignore[import-untyped]

from tests.deploy.manifests import OVERLAYS, ROOT, of_kind, rendered, the

VERSIONS = ("1.33", "1.34", "1.35", "1.36", "1.37")
# Kubernetes has no schema for kinds that operators add; tests check what we rely on.
ADDED_BY_OPERATORS = {"ServiceMonitor", "PrometheusRule"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_manifest_is_strictly_valid(overlay: str, version: str) -> None:
    manifests = [m for m in rendered(overlay) if m["kind"] not in ADDED_BY_OPERATORS]

    used = {kubernetes_validate.validate(m, version, strict=True) for m in manifests}

    assert used == {version}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_validator_has_the_schemas_of_the_version(version: str) -> None:
    assert f"{version}.0" in all_versions()


def test_the_validator_refuses_a_misspelt_field() -> None:
    service = the("prod", "Service", "session-service")
    misspelt = {**service, "spec": {**service["spec"], "selektor": {}}}

    with pytest.raises(kubernetes_validate.ValidationError, match="selektor"):
        kubernetes_validate.validate(misspelt, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_example_secrets_are_strictly_valid(version: str) -> None:
    secrets = yaml.safe_load_all((ROOT / "k8s" / "secret.example.yaml").read_text())

    used = {kubernetes_validate.validate(secret, version, strict=True) for secret in secrets}

    assert used == {version}


def test_the_service_monitor_finds_the_metrics() -> None:
    (monitor,) = of_kind("options", "ServiceMonitor")
    service = the("options", "Service", "session-service-metrics")

    wanted = monitor["spec"]["selector"]["matchLabels"]
    ports = {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]}

    assert wanted.items() <= service["metadata"]["labels"].items()
    assert ports == {port["name"] for port in service["spec"]["ports"]} == {"metrics"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_named_twice(overlay: str) -> None:
    names = [(m["kind"], m["metadata"]["name"]) for m in rendered(overlay)]

    assert len(names) == len(set(names))
