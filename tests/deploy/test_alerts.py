"""The alerts: valid rules on metrics that exist, each with a test that it fires and a runbook."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from service.observability import metrics
from tests.deploy.compose import services
from tests.deploy.manifests import ROOT, of_kind

SOURCE = ROOT / "k8s" / "components" / "monitoring" / "prometheusrule.yaml"
CASES = Path(__file__).parent / "alerts.yml"
RUNBOOK = "docs/operations.md"
# Labels that Prometheus itself adds to each of our series.
ADDED_LABELS = {"instance"}
SELECTOR = re.compile(r"(sessions_\w+)(?:\{(.*?)\})?")
GROUPING = re.compile(r"(?:by|ignoring|on) \((.*?)\)")


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(SOURCE.read_text())["spec"]["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def labels_of_series() -> dict[str, set[str]]:
    """Return the labels of each series in a scrape of the service."""
    found: dict[str, set[str]] = {}
    for family, labels in _families():
        for suffix, more in SUFFIXES[family.type].items():
            found[f"{family.name}{suffix}"] = {*labels, *more}
    return found


SUFFIXES: dict[str, dict[str, set[str]]] = {
    "counter": {"_total": set()},
    "gauge": {"": set()},
    "histogram": {"_bucket": {"le"}, "_sum": set(), "_count": set()},
}


def _families() -> Iterator[tuple[Any, tuple[str, ...]]]:
    ours: list[Any] = [m for m in vars(metrics).values() if isinstance(m, MetricWrapperBase)]
    for metric in ours:
        for family in metric.collect():
            yield family, metric._labelnames  # noqa: SLF001  No series shows them before its first.


def labels_in(matchers: str) -> set[str]:
    return set(re.findall(r'(\w+)(?:=~|!~|!=|=)"', matchers))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Return the rules file of the Prometheus in compose, made by the same script."""
    script, _, _ = services()["prometheus"]["command"][0].partition("exec ")
    here = script.replace("$$", "$").replace("/tmp/", f"{tmp_path}/")
    here = here.replace("/etc/prometheus/prometheusrule.yaml", str(SOURCE))
    subprocess.run(["sh", "-euc", here], check=True)
    return tmp_path / "rules.yml"


def promtool(*arguments: str | Path, cwd: Path) -> str:
    command = shutil.which("promtool", path=f"{os.environ['PATH']}:{ROOT}/.venv-promtool/usr/bin")
    if command is None and not os.environ.get("CI"):
        pytest.skip("Alert rules are tested by Prometheus' promtool: `make promtool` fetches it.")
    done = subprocess.run(
        [command or "promtool", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_valid(rules: Path) -> None:
    printed = promtool("check", "rules", "--lint=all", "--lint-fatal", rules, cwd=rules.parent)

    assert f"{len(alerts())} rules found" in printed


def test_each_alert_fires_when_it_should_and_a_healthy_service_is_quiet(rules: Path) -> None:
    shutil.copy(CASES, rules.parent)

    printed = promtool("test", "rules", CASES.name, cwd=rules.parent)

    assert "SUCCESS" in printed


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    cases = [
        case
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
    ]

    assert {c["alertname"] for c in cases if c["exp_alerts"]} == {a["alert"] for a in alerts()}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_uses_series_and_labels_that_exist(alert: dict[str, Any]) -> None:
    asked = SELECTOR.findall(alert["expr"])
    there = labels_of_series()

    assert asked
    assert {name for name, _ in asked} <= there.keys()
    assert [m for name, m in asked if not labels_in(m) <= there[name]] == []
    grouped = {label for by in GROUPING.findall(alert["expr"]) for label in by.split(", ")}
    assert grouped <= ADDED_LABELS.union(*(there[name] for name, _ in asked))


@pytest.mark.parametrize(
    "case", yaml.safe_load(CASES.read_text())["tests"], ids=lambda c: c["name"]
)
def test_a_case_uses_series_that_exist(case: dict[str, Any]) -> None:
    made = [SELECTOR.fullmatch(one["series"]) for one in case["input_series"]]
    there = labels_of_series()

    found = [(series[1], labels_in(series[2])) for series in made if series]

    assert len(found) == len(case["input_series"])
    assert [name for name, labels in found if not labels <= there[name] | ADDED_LABELS] == []


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_has_a_severity_a_duration_a_summary_and_a_runbook(
    alert: dict[str, Any],
) -> None:
    headings = re.findall(r"^### (\w+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE)

    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"\d+m", alert["for"])
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["runbook_url"] == f"{RUNBOOK}#{alert['alert'].lower()}"
    assert alert["alert"] in headings


def test_documents_name_the_alerts_that_exist() -> None:
    texts = [(ROOT / "docs" / name).read_text() for name in ("scaling.md", "operations.md")]
    named = {name for text in texts for name in re.findall(r"\bSessions[A-Z]\w+", text)}

    assert named == {alert["alert"] for alert in alerts()}


def test_prometheus_in_compose_reads_the_rules_it_writes() -> None:
    script = services()["prometheus"]["command"][0]
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())

    assert config["rule_files"] == re.findall(r"> (\S+)", script)


def test_the_kubernetes_option_has_the_same_rules() -> None:
    (rule,) = of_kind("options", "PrometheusRule")

    assert rule["spec"]["groups"][0]["rules"] == alerts()
