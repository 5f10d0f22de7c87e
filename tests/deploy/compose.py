"""docker-compose.yml, as it stands and with its variables filled in."""

import re
from functools import cache
from typing import Any

import yaml

from tests.deploy.manifests import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()


@cache
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(TEXT)
    return parsed


def services() -> dict[str, dict[str, Any]]:
    named: dict[str, dict[str, Any]] = compose()["services"]
    return named


def required_variables() -> set[str]:
    return set(re.findall(r"(?<!\$)\$\{(\w+):\?[^}]+\}", TEXT))
