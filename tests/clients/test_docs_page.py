"""The page at /docs in a real browser: it shows all dialects, and requests can be tried."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.api import ops
from service.api.dialects import ALL
from service.auth.mint import mint
from tests.api.asking import SECRET
from tests.running import RunningService, run_service

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients" / "browser" / "bin" / "python"
SCRIPT = Path(__file__).with_name("docs_in_browser.py")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_S = 120


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("docs")
    with run_service(SESSIONS_DATA_DIR=str(folder), SESSIONS_JWT_SECRET=SECRET) as service:
        yield service


@pytest.fixture(scope="module")
def seen(service: RunningService) -> dict[str, Any]:
    """Return what the script saw."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("Chromium is not installed. On Debian: apt-get install chromium")
    token = mint(SECRET, user_id="ada", scopes=(), lifetime_s=3600)
    done = subprocess.run(
        [str(PYTHON), str(SCRIPT), service.url, token, browser],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_requests_nothing_from_another_host(
    service: RunningService, seen: dict[str, Any]
) -> None:
    assert len(seen["requested"]) > len(ALL)
    assert [url for url in seen["requested"] if not url.startswith(f"{service.url}/")] == []


def test_the_console_shows_no_errors_such_as_content_security_policy_violations(
    seen: dict[str, Any],
) -> None:
    assert seen["complaints"] == []


def test_endpoints_are_grouped_by_dialect(seen: dict[str, Any]) -> None:
    assert seen["tags"] == [dialect.name for dialect in (*ALL, ops.DIALECT)]


def test_a_request_with_a_pasted_token_is_executed(seen: dict[str, Any]) -> None:
    assert seen["status"].startswith("200")
    body = seen["body"][seen["body"].index("{") :]
    assert json.loads(body)["message"] == "Chat session created successfully."
