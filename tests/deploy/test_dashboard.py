"""The dashboard shows every metric of the service, and none that does not exist."""

import json
import re
from typing import Any

import yaml

from service.observability.metrics import registry
from tests.deploy.compose import services
from tests.deploy.manifests import ROOT

GRAFANA = ROOT / "deploy" / "grafana"
SERIES = {"counter": "_total", "histogram": "_bucket", "gauge": ""}


def series() -> set[str]:
    """Return the series that draws each metric of the code."""
    ours = [family for family in registry(None).collect() if family.name.startswith("sessions_")]
    return {f"{family.name}{SERIES[family.type]}" for family in ours}


def dashboard() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(
        (GRAFANA / "dashboards" / "session-service.json").read_text()
    )
    return parsed


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def test_every_metric_is_shown_and_no_other() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])

    assert set(re.findall(r"sessions_\w+", shown)) == series()


def test_no_panel_covers_another() -> None:
    cells = [
        (x, y)
        for panel in dashboard()["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))


def test_every_panel_uses_the_provisioned_data_source() -> None:
    provisioned = GRAFANA / "provisioning" / "datasources" / "prometheus.yml"
    (source,) = yaml.safe_load(provisioned.read_text())["datasources"]

    assert {panel["datasource"]["uid"] for panel in panels()} == {source["uid"]}


def test_the_dashboard_is_where_grafana_looks_for_it() -> None:
    provisioned = GRAFANA / "provisioning" / "dashboards" / "session-service.yml"
    (provider,) = yaml.safe_load(provisioned.read_text())["providers"]

    mounted = f"./deploy/grafana/dashboards:{provider['options']['path']}:ro"

    assert mounted in services()["grafana"]["volumes"]
