"""The README and docs/api.md are true: what they show runs, in order, against the service."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from service.api.dialects import ALL
from service.api.kit.dialect import Dialect
from service.api.kit.endpoint import Endpoint
from service.auth.mint import mint
from tests.api.asking import SECRET
from tests.documents import blocks, outputs_of
from tests.rows import ROUTER
from tests.running import RunningService, run_service

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
EXPECTED = {
    "/create?": '"session_id"',
    "/history/update/": "Session history updated successfully.",
    "/history/recent/": '"content":"Paris"',
    "/history/$SESSION": '"seq":2',
    "/get_all/": '"agent_id":"agent123"',
    "/get_by_agent/": '"agent_id":"agent123"',
    "/get/$SESSION": '"history":[',
    "/delete/": "Chat session deleted successfully.",
    "/chat/": "This is a demo without a model.",
    "$URL/session/": '"external_id":"1732176000.000100"',
    "/api/v1/chat": '"session_key":"user:demo:first-steps"',
    '"$URL/sessions"': '"jobs":[]',
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service(
        SESSIONS_DATA_DIR=str(tmp_path_factory.mktemp("data")), SESSIONS_JWT_SECRET=SECRET
    ) as service:
        yield service


@pytest.mark.parametrize("page", [README, API], ids=["README", "api"])
def test_the_commands_run_and_print_what_they_should(
    service: RunningService, tmp_path: Path, page: str
) -> None:
    commands = blocks(page, "bash")

    outputs = outputs_of(commands, service, tmp_path)

    for block, output in zip(commands, outputs, strict=True):
        assert '"error"' not in output, f"{block}\n{output}"
        wanted = [
            text for part, text in EXPECTED.items() if part in block and "export " not in block
        ]
        assert all(text in output for text in wanted), f"{block}\n{output}"


def test_what_is_expected_of_a_request_is_checked_on_the_page() -> None:
    requests = "".join(blocks(API, "bash"))

    missing = [part for part in EXPECTED if part not in requests]

    assert missing == []


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.name)
def test_every_endpoint_has_a_request_on_the_page(dialect: Dialect) -> None:
    shown = {(endpoint.method, endpoint.path) for endpoint in endpoints_on_the_page(dialect)}

    missing = {(endpoint.method, endpoint.path) for endpoint in dialect.endpoints} - shown

    assert missing == set()


def endpoints_on_the_page(dialect: Dialect) -> Iterator[Endpoint]:
    for command in "".join(blocks(API, "bash")).replace("\\\n", " ").split("\n"):
        for written, target in re.findall(r'(?:-X|\bapi) ([A-Z]+) "\$URL([^"?]+)', command) or [
            ("GET", path) for path in re.findall(r'curl -sS "\$URL([^"?]+)', command)
        ]:
            # Ids on the page are variables.
            found = ROUTER.find(re.sub(r"\$\w+", str(uuid4()), target))
            if found and found[0].dialect is dialect:
                yield found[0].endpoints[written]


def ran(command: list[str], service: RunningService, folder: Path) -> str:
    token = mint(SECRET, user_id="demo", scopes=(), lifetime_s=3600)
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "URL": service.url, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_snippet_stores_a_message_once(service: RunningService, tmp_path: Path) -> None:
    [snippet] = blocks(README, "python")

    printed = ran([sys.executable, "-c", snippet], service, tmp_path)

    assert printed == "[{'role': 'user', 'content': 'What is the capital of France?'}]\n"


def test_the_javascript_snippet_chats(service: RunningService, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed.")
    [snippet] = blocks(README, "javascript")
    (tmp_path / "snippet.mjs").write_text(snippet)

    printed = ran([node, "snippet.mjs"], service, tmp_path)

    assert printed.startswith("This is a demo without a model.")
    assert printed.endswith(" 2\n")


def test_the_readme_states_every_goal_for_64_connections_as_measured() -> None:
    results = (ROOT / "bench" / "RESULTS.md").read_text()
    goals = re.findall(
        r"^\| (\w+), 64 connections \| ≥ ([\d.]+) (times|%).* \| ([\d.]+) .* \| (.+) \|$",
        results,
        re.MULTILINE,
    )
    stated = re.findall(
        r"^\| (\w+), (times|%) .* \| ([\d.]+) \| ([\d.]+)(: \*\*missed\*\*)? \|$",
        README,
        re.MULTILINE,
    )

    assert len(goals) == results.count(", 64 connections | ≥ ")
    assert [
        (work, unit, found, goal, bool(missed)) for work, unit, found, goal, missed in stated
    ] == [(work, unit, found, goal, reached != "yes") for work, goal, unit, found, reached in goals]


def test_the_links_of_the_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_shell_commands_are_targets_of_make() -> None:
    commands = [line for language, text in BLOCKS if language == "sh" for line in text.split("\n")]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert {c.removeprefix("make ") for c in commands if c} <= set(targets)


def test_the_tree_in_the_readme_matches_the_folders() -> None:
    [tree] = [text for language, text in BLOCKS if language == "text"]
    folders = re.findall(r"^( *)(\S+)/ ", tree, re.MULTILINE)

    missing = [
        name
        for indent, name in folders
        if not (ROOT / ("service" if indent else "") / name).is_dir()
    ]

    assert missing == []
