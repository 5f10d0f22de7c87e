"""Rules for every pod, whatever it runs."""

import re
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import (
    DEPLOYED,
    ROOT,
    Manifest,
    container,
    containers,
    of_kind,
    pod,
    selects,
    the,
    workloads,
)
from tests.every import every

pytestmark = pytest.mark.parametrize("overlay", DEPLOYED)
LONG_RUNNING = {"Deployment", "StatefulSet"}
SERVED = {
    "session-service": ("Deployment", "session-service"),
    "session-service-metrics": ("Deployment", "session-service"),
    "mongodb": ("StatefulSet", "mongodb"),
}


def test_every_image_has_a_version(overlay: str) -> None:
    images = {one["image"] for _, one in containers(overlay)}

    assert images == {"session-service:0.1.0", "mongo:8.0"}


def test_every_container_has_requests_and_limits(overlay: str) -> None:
    bounded = [one["resources"] for _, one in containers(overlay)]

    assert every(r[side].keys() == {"cpu", "memory"} for r in bounded for side in r)
    assert every(r.keys() == {"requests", "limits"} for r in bounded)


def test_a_long_running_container_never_uses_more_memory_than_it_requested(overlay: str) -> None:
    bounded = [container(w)["resources"] for w in workloads(overlay) if w["kind"] in LONG_RUNNING]

    assert [r["limits"]["memory"] for r in bounded] == [r["requests"]["memory"] for r in bounded]


def test_no_pod_runs_as_root(overlay: str) -> None:
    contexts = [pod(workload)["securityContext"] for workload in workloads(overlay)]

    assert every(c["runAsNonRoot"] is True and c["runAsUser"] > 0 for c in contexts)
    assert every(c["seccompProfile"] == {"type": "RuntimeDefault"} for c in contexts)


def test_the_service_runs_as_the_images_user(overlay: str) -> None:
    ours = [pod(w) for w, one in containers(overlay) if one["image"].startswith("session-service")]

    assert {p["securityContext"]["runAsUser"] for p in ours} == {10001}


def test_no_container_gains_privileges_or_writes_to_its_image(overlay: str) -> None:
    contexts = [one["securityContext"] for _, one in containers(overlay)]

    assert every(
        context
        == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        for context in contexts
    )


def test_no_pod_has_a_token_for_the_kubernetes_api(overlay: str) -> None:
    given = [pod(w)["automountServiceAccountToken"] for w in workloads(overlay)]
    accounts = {account["metadata"]["name"] for account in of_kind(overlay, "ServiceAccount")}

    assert not any(given)
    assert {pod(w)["serviceAccountName"] for w in workloads(overlay)} == accounts


def test_no_pod_gets_variables_of_other_services(overlay: str) -> None:
    assert not any(pod(workload)["enableServiceLinks"] for workload in workloads(overlay))


def test_no_pod_shares_a_namespace_or_a_folder_with_its_node(overlay: str) -> None:
    specs = [pod(workload) for workload in workloads(overlay)]

    assert not any(s.get(key) for s in specs for key in ("hostNetwork", "hostPID", "hostIPC"))
    assert not any("hostPath" in volume for s in specs for volume in s["volumes"])


def test_every_scratch_folder_is_bounded(overlay: str) -> None:
    volumes = [volume for workload in workloads(overlay) for volume in pod(workload)["volumes"]]

    assert every(v["emptyDir"].get("sizeLimit") for v in volumes if "emptyDir" in v)


def test_every_long_running_container_is_probed(overlay: str) -> None:
    probed = [container(w) for w in workloads(overlay) if w["kind"] in LONG_RUNNING]

    assert every(
        {"startupProbe", "livenessProbe", "readinessProbe"} <= one.keys() for one in probed
    )


def test_only_readiness_looks_at_the_database(overlay: str) -> None:
    service = container(the(overlay, "Deployment", "session-service"))

    paths = {name: probe["httpGet"]["path"] for name, probe in probes(service).items()}

    assert paths == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }


def test_every_named_port_exists(overlay: str) -> None:
    service = the(overlay, "Service", "session-service")
    ports = {port["name"] for port in container(deployment(overlay))["ports"]}

    probed = {probe["httpGet"]["port"] for probe in probes(container(deployment(overlay))).values()}

    assert probed | {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_each_service_selects_its_own_pods_and_no_job(overlay: str) -> None:
    chosen = {
        service["metadata"]["name"]: [
            (w["kind"], w["metadata"]["name"])
            for w in workloads(overlay)
            if selects(service["spec"]["selector"], w)
        ]
        for service in of_kind(overlay, "Service")
    }

    assert chosen == {name: [SERVED[name]] for name in chosen}
    assert chosen.keys() >= {"session-service", "mongodb"}


def test_every_secret_that_is_read_is_in_the_example(overlay: str) -> None:
    examples = yaml.safe_load_all((ROOT / "k8s" / "secret.example.yaml").read_text())
    there = {(s["metadata"]["name"], key) for s in examples for key in s["stringData"]}

    read = {
        (secret["secretName"], item["key"])
        for workload in workloads(overlay)
        for secret in secrets_of(workload)
        for item in secret.get("items", [])
    }

    assert len(read) >= 2
    assert read <= there


def test_no_secret_is_in_an_environment(overlay: str) -> None:
    variables = [v for _, one in containers(overlay) for v in one.get("env", [])]

    assert not any("secretKeyRef" in variable.get("valueFrom", {}) for variable in variables)


def test_the_files_that_settings_name_are_mounted_from_secrets(overlay: str) -> None:
    for workload, one in containers(overlay):
        files = {
            f"{mount['mountPath']}/{item['path']}"
            for mount in one["volumeMounts"]
            for secret in secrets_of(workload, mount["name"])
            for item in secret.get("items", [])
        }
        named = {v["value"] for v in one.get("env", []) if v["name"].endswith("_FILE")}

        assert named <= files
        assert bool(named) == one["image"].startswith("session-service")


def test_no_secret_is_part_of_the_manifests(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == []


def test_jobs_end_and_clean_up_after_themselves(overlay: str) -> None:
    specs = [job["spec"] for job in of_kind(overlay, "Job")]

    assert specs
    assert every(
        spec.keys() >= {"backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"}
        for spec in specs
    )


def test_a_changed_setting_restarts_the_pods(overlay: str) -> None:
    (source,) = container(deployment(overlay))["envFrom"]

    assert re.fullmatch(r"session-service-[a-z0-9]{10}", source["configMapRef"]["name"])


def test_replicas_are_spread_over_zones_and_nodes(overlay: str) -> None:
    constraints = pod(deployment(overlay))["topologySpreadConstraints"]

    assert {c["topologyKey"] for c in constraints} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }
    assert every(
        selects(c["labelSelector"]["matchLabels"], deployment(overlay)) for c in constraints
    )


def deployment(overlay: str) -> Manifest:
    return the(overlay, "Deployment", "session-service")


def secrets_of(workload: Manifest, volume: str | None = None) -> list[dict[str, Any]]:
    return [
        v["secret"]
        for v in pod(workload)["volumes"]
        if "secret" in v and volume in {None, v["name"]}
    ]


def probes(one: dict[str, Any]) -> dict[str, Any]:
    return {key: probe for key, probe in one.items() if key.endswith("Probe")}
