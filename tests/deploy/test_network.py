"""Which pods may connect to which: none, except those listed here."""

from typing import Any

import pytest

from tests.deploy.manifests import OVERLAYS, Manifest, of_kind, selects, the, workloads
from tests.every import every

pytestmark = pytest.mark.parametrize("overlay", OVERLAYS)
EVERYONE = {"0.0.0.0/0", "::/0"}
METADATA_NETWORK = "169.254.0.0/16"


def rules(overlay: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (side, rule)
        for policy in of_kind(overlay, "NetworkPolicy")
        for side, peers in (("ingress", "from"), ("egress", "to"))
        for rule in ({"peers": r.get(peers), **r} for r in policy["spec"].get(side, []))
    ]


def test_traffic_that_no_policy_allows_is_denied(overlay: str) -> None:
    policy = the(overlay, "NetworkPolicy", "default-deny")

    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_rule_names_its_peers_and_its_ports(overlay: str) -> None:
    assert rules(overlay)
    assert every(rule["peers"] and rule.get("ports") for _, rule in rules(overlay))
    assert every(port.get("port") for _, rule in rules(overlay) for port in rule["ports"])


def test_no_rule_selects_every_pod_or_every_namespace(overlay: str) -> None:
    selectors = [
        peer[key]
        for _, rule in rules(overlay)
        for peer in rule["peers"]
        for key in ("podSelector", "namespaceSelector")
        if key in peer
    ]

    assert every(selector.get("matchLabels") for selector in selectors)


def test_the_internet_is_reached_only_over_https_and_never_reaches_in(overlay: str) -> None:
    open_rules = [
        (side, [port["port"] for port in rule["ports"]], peer["ipBlock"])
        for side, rule in rules(overlay)
        for peer in rule["peers"]
        if "ipBlock" in peer
    ]

    assert [(side, ports) for side, ports, _ in open_rules] == [("egress", [443])]
    assert every(METADATA_NETWORK in b["except"] for *_, b in open_rules if b["cidr"] in EVERYONE)


def test_every_policy_but_the_general_ones_selects_a_workload(overlay: str) -> None:
    policies = of_kind(overlay, "NetworkPolicy")

    idle = [p["metadata"]["name"] for p in policies if not selected(overlay, p)]

    assert idle == []


def test_the_service_may_reach_mongodb(overlay: str) -> None:
    policy = the(overlay, "NetworkPolicy", "session-service")

    peers = [(p, r["ports"]) for r in policy["spec"]["egress"] for p in r["to"]]

    members = {"app.kubernetes.io/name": "mongodb", "app.kubernetes.io/component": "member"}
    assert ({"podSelector": {"matchLabels": members}}, [{"port": 27017}]) in peers


def selected(overlay: str, policy: Manifest) -> list[str]:
    selector = policy["spec"]["podSelector"].get("matchLabels", {})
    return [w["metadata"]["name"] for w in workloads(overlay) if selects(selector, w)]
