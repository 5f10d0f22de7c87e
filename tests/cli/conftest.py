"""The command line on its own databases."""

import logging
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cli.commands import Commands


@pytest.fixture(autouse=True)
def _as_in_a_new_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ignore a developer's `.env`, and leave logging as it was."""
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("service")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def run(mongo_url: str) -> Commands:
    """Return the commands on an empty database."""
    return on_empty_database(mongo_url)


@pytest.fixture
def run_elsewhere(mongo_url: str) -> Commands:
    """Return the commands on another empty database."""
    return on_empty_database(mongo_url)


def on_empty_database(mongo_url: str) -> Commands:
    database = f"cli_{uuid4().hex}"
    return Commands({"SESSIONS_MONGO_URL": mongo_url, "SESSIONS_MONGO_DATABASE": database})
