"""The runbook is true: every part that can run here runs, in order, against the service."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dialogues import dialogues
from tests.documents import blocks, outputs_of
from tests.running import RunningService, run_service

ROOT = Path(__file__).parent.parent
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()
COMMANDS = blocks(RUNBOOK, "bash")
DIALOGUES = 5


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with run_service(SESSIONS_DATA_DIR=str(tmp_path_factory.mktemp("data"))) as service:
        yield service


@pytest.fixture(scope="module")
def outputs(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what each block printed, on a database that holds conversations."""
    folder = tmp_path_factory.mktemp("operator")
    lines = "".join(f"{json.dumps(dialogue)}\n" for dialogue in dialogues(DIALOGUES))
    (folder / "dialogues.jsonl").write_text(lines)
    fill = ".venv/bin/session-service import dialogues.jsonl --user alice"
    printed = outputs_of([fill, *COMMANDS], service, folder)
    return dict(zip(COMMANDS, printed[1:], strict=True))


def printed_by(outputs: dict[str, str], part: str) -> list[str]:
    found = [output.strip("\n") for block, output in outputs.items() if part in block]
    assert found, f"No block of the runbook has {part}."
    return found


def test_a_backup_restored_into_an_empty_database_is_exported_the_same(
    outputs: dict[str, str],
) -> None:
    assert printed_by(outputs, "cmp backup.jsonl drill.jsonl") == [f"{DIALOGUES} drill.jsonl"]


def test_a_healthy_service_says_so(outputs: dict[str, str]) -> None:
    (first_looks,) = printed_by(outputs, "$URL/readyz")

    assert '"status":"ready","failed":[]' in first_looks
    assert re.search(r"^sessions_ready 1.0$", first_looks, re.MULTILINE)


def test_indexes_are_created_and_checked(outputs: dict[str, str]) -> None:
    there = "All indexes exist."

    assert printed_by(outputs, "indexes --check") == [f"{there}\n{there}"]
    assert printed_by(outputs, "SESSIONS_TEXT_SEARCH") == [there]


def test_a_new_token_is_accepted_and_one_of_another_secret_is_not(outputs: dict[str, str]) -> None:
    assert printed_by(outputs, "token --user operator --lifetime") == ["200"]
    assert printed_by(outputs, "> new-token") == ["401"]


def test_commands_that_are_not_run_need_tools_missing_here() -> None:
    first_words = {
        line.split()[0]
        for block in blocks(RUNBOOK, "sh")
        for line in block.replace("\\\n", "").splitlines()
    }

    assert first_words <= {"kubectl", "docker", "mongodump", "mongorestore", "mongosh"}
