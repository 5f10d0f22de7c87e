"""Numbers in different files that only make sense together."""

import re

import pytest

from config.settings import Settings
from service.storage.rate_counts import CONNECTIONS as RATE_LIMIT_CONNECTIONS
from tests.deploy.manifests import (
    DEPLOYED,
    container,
    of_kind,
    pod,
    selects,
    settings_of,
    the,
    workloads,
)

pytestmark = pytest.mark.parametrize("overlay", DEPLOYED)

CLOSING_MARGIN_S = 10
# A client watches each server with two connections in addition to its pool.
MONITORING_CONNECTIONS = 2
# For connections between members, and of jobs, backups and people.
RESERVED_CONNECTIONS = 100
UNITS = {"Mi": 2**20, "Gi": 2**30}


def in_bytes(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def most_replicas(overlay: str) -> int:
    replicas: int = the(overlay, "HorizontalPodAutoscaler", "session-service")["spec"][
        "maxReplicas"
    ]
    return replicas


def test_a_pod_is_never_killed_while_it_drains(overlay: str) -> None:
    deployment = the(overlay, "Deployment", "session-service")
    pause_s = container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain_s = Settings(_env_file=None).drain_s
    shutdown_s = int(settings_of(overlay)["SESSIONS_SHUTDOWN_TIMEOUT_S"])

    grace_s = pod(deployment)["terminationGracePeriodSeconds"]

    assert grace_s > pause_s + drain_s + shutdown_s + CLOSING_MARGIN_S


def test_a_terminating_pod_is_withdrawn_before_it_stops(overlay: str) -> None:
    one = container(the(overlay, "Deployment", "session-service"))
    readiness = one["readinessProbe"]

    pause_s = one["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert pause_s > readiness["periodSeconds"] * readiness["failureThreshold"]


def test_all_replicas_together_stay_below_the_connection_limit_of_a_member(overlay: str) -> None:
    strategy = the(overlay, "Deployment", "session-service")["spec"]["strategy"]["rollingUpdate"]
    pool = int(settings_of(overlay)["SESSIONS_MONGO_MAX_POOL"])
    counting = RATE_LIMIT_CONNECTIONS + MONITORING_CONNECTIONS
    pods = most_replicas(overlay) + strategy["maxSurge"]
    (limit,) = [
        int(argument.removeprefix("--maxConns="))
        for argument in container(the(overlay, "StatefulSet", "mongodb"))["command"]
        if argument.startswith("--maxConns=")
    ]

    assert pods * (pool + MONITORING_CONNECTIONS + counting) + RESERVED_CONNECTIONS <= limit


def test_no_replica_stops_before_its_successor_is_ready(overlay: str) -> None:
    strategy = the(overlay, "Deployment", "session-service")["spec"]["strategy"]["rollingUpdate"]

    assert strategy["maxUnavailable"] == 0
    assert strategy["maxSurge"] >= 1


def test_only_the_autoscaler_sets_the_number_of_replicas(overlay: str) -> None:
    assert "replicas" not in the(overlay, "Deployment", "session-service")["spec"]


def test_the_autoscaler_looks_only_at_the_cpu(overlay: str) -> None:
    metrics = the(overlay, "HorizontalPodAutoscaler", "session-service")["spec"]["metrics"]

    assert [metric["resource"]["name"] for metric in metrics] == ["cpu"]


def test_no_disruption_budget_ever_blocks_a_drain(overlay: str) -> None:
    budgets = [budget["spec"] for budget in of_kind(overlay, "PodDisruptionBudget")]

    assert [b.get("maxUnavailable") for b in budgets] == [1] * 2
    assert not any("minAvailable" in budget for budget in budgets)
    assert {b["unhealthyPodEvictionPolicy"] for b in budgets} == {"AlwaysAllow"}


def test_each_disruption_budget_protects_one_workload(overlay: str) -> None:
    for budget in of_kind(overlay, "PodDisruptionBudget"):
        selector = budget["spec"]["selector"]["matchLabels"]

        protected = [w["metadata"]["name"] for w in workloads(overlay) if selects(selector, w)]

        assert protected == [budget["metadata"]["name"]]


def test_losing_one_member_leaves_a_majority(overlay: str) -> None:
    members = the(overlay, "StatefulSet", "mongodb")["spec"]["replicas"]

    assert members - 1 > members / 2


def test_the_job_initiates_every_member(overlay: str) -> None:
    job = container(the(overlay, "Job", "mongodb-initiate"))
    members = the(overlay, "StatefulSet", "mongodb")["spec"]["replicas"]

    (listed,) = [v["value"] for v in job["env"] if v["name"] == "MEMBERS"]

    assert listed.split(",") == [f"mongodb-{n}.mongodb:27017" for n in range(members)]


def test_the_ports_are_those_of_the_settings(overlay: str) -> None:
    ports = container(the(overlay, "Deployment", "session-service"))["ports"]
    settings = settings_of(overlay)

    assert {port["name"]: str(port["containerPort"]) for port in ports} == {
        "http": settings["SESSIONS_PORT"],
        "metrics": settings["SESSIONS_METRICS_PORT"],
    }


def test_the_ingress_accepts_bodies_as_large_as_the_service_does(overlay: str) -> None:
    annotations = the(overlay, "Ingress", "session-service")["metadata"]["annotations"]
    largest = settings_of(overlay)["SESSIONS_MAX_BODY_BYTES"]

    assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == largest
    assert annotations["nginx.org/client-max-body-size"] == largest


def test_the_ingress_does_not_buffer_streams(overlay: str) -> None:
    annotations = the(overlay, "Ingress", "session-service")["metadata"]["annotations"]

    assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert annotations["nginx.org/proxy-buffering"] == "False"


def test_the_cache_takes_at_most_a_quarter_of_the_memory(overlay: str) -> None:
    limits = container(the(overlay, "Deployment", "session-service"))["resources"]["limits"]
    cache_bytes = int(settings_of(overlay)["SESSIONS_WINDOW_CACHE_BYTES"])

    assert cache_bytes * 4 <= in_bytes(limits["memory"])
