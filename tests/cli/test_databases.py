"""Which MongoDB the commands use, and what they say about one that they cannot use."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from pymongo import MongoClient

from service.storage.diagnosis import STANDALONE
from tests.cli.commands import Commands, Line, write_lines
from tests.cli.conversations import EVERYTHING
from tests.cli.test_serve import SECRET, serving
from tests.mongods import PASSWORD, running_mongod, with_users

NO_RIGHT = (
    "the user in SESSIONS_MONGO_URL may not create indexes in database bare: grant readWrite, or "
    "run `session-service indexes` as one that may. Try again in 2 seconds."
)


@pytest.fixture(scope="module")
async def standalone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Give the address of a standalone server with users."""
    async with running_mongod(tmp_path_factory.mktemp("mongod"), "--auth") as address:
        await with_users(address)
        yield address


def url_of(user: str, address: str, rest: str = "chat?authSource=admin") -> str:
    return f"mongodb://{user}:{PASSWORD}@{address}/{rest}"


def commands(url: str, **settings: str) -> Commands:
    return Commands({"SESSIONS_MONGO_URL": url, "SESSIONS_JWT_SECRET": SECRET, **settings})


def logged_in(errors: str) -> list[str]:
    return [json.loads(line)["event"] for line in errors.splitlines()]


def with_path(mongo_url: str, database: str, options: str = "") -> str:
    return mongo_url.replace("/?", f"/{database}?") + options


def test_every_command_works_on_the_database_in_the_path(mongo_url: str, tmp_path: Path) -> None:
    name = f"path_{uuid4().hex}"
    run = commands(with_path(mongo_url, name))
    assert run("indexes").exit_code == 0
    run("import", write_lines(tmp_path / "in.jsonl", [EVERYTHING]))

    exported = run.exported()

    client: MongoClient[Line]
    with MongoClient(mongo_url) as client:
        stored = client[name]["sessions"].count_documents({})
        client.drop_database(name)
    assert (len(exported), stored) == (1, 1)


def test_a_service_says_which_database_it_uses_and_what_it_overrides_once(
    mongo_url: str, tmp_path: Path
) -> None:
    url = with_path(mongo_url, "chat", "&w=1&readPreference=secondary")
    settings = {"SESSIONS_MONGO_URL": url, "SESSIONS_JWT_SECRET": SECRET}

    with serving(tmp_path, "--workers", "2", **settings) as (process, printed):
        process.terminate()
        _, errors = process.communicate()

    assert "Data: database chat of SESSIONS_MONGO_URL\n" in printed
    (event,) = logged_in(errors)
    assert event.startswith("SESSIONS_MONGO_URL: w, readPreference overridden by the promise")


def test_commands_say_what_they_override(mongo_url: str) -> None:
    done = commands(with_path(mongo_url, "chat", "&w=1"))("indexes", "--check")

    assert done.stderr.startswith(
        "Warning: SESSIONS_MONGO_URL: w overridden by the promise of majority writes and reads.\n"
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_standalone_is_served_with_one_warning(
    standalone: str, tmp_path: Path, workers: str
) -> None:
    settings = {"SESSIONS_MONGO_URL": url_of("root", standalone), "SESSIONS_JWT_SECRET": SECRET}

    with serving(tmp_path, "--workers", workers, **settings) as (process, _):
        process.terminate()
        _, errors = process.communicate()

    assert logged_in(errors) == [STANDALONE]


def test_a_service_whose_database_may_come_up_later_says_so_and_listens(tmp_path: Path) -> None:
    away = {"SESSIONS_MONGO_URL": "mongodb://127.0.0.1:9/", "SESSIONS_MONGO_TIMEOUT_S": "0.5"}

    with serving(tmp_path, SESSIONS_JWT_SECRET=SECRET, **away) as (process, printed):
        process.terminate()
        _, errors = process.communicate()

    assert printed.startswith("The session service listens on ")
    assert logged_in(errors)[0] == (
        "Nothing listens at a host and port in SESSIONS_MONGO_URL (127.0.0.1:9); "
        "the service tries again"
    )


@pytest.mark.parametrize("command", ["serve", "indexes", "export"])
@pytest.mark.parametrize("rest", ["chat", "?authSource=chat"])
def test_a_wrong_login_ends_a_command_immediately_with_one_line(
    standalone: str, command: str, rest: str
) -> None:
    started_s = time.monotonic()

    done = commands(url_of("root", standalone, rest), SESSIONS_PORT="0")(command)

    assert time.monotonic() - started_s < 3
    assert done.exit_code == 1
    assert "the user or password in SESSIONS_MONGO_URL is wrong" in done.stderr
    assert done.stderr.count("\n") == 1
    assert PASSWORD not in done.output


def test_a_user_of_the_database_in_the_path_needs_no_auth_source(standalone: str) -> None:
    done = commands(url_of("local", standalone, "chat"))("indexes")

    assert (done.exit_code, done.stderr) == (0, "")


def test_a_user_who_may_not_create_indexes_is_told_what_would_help(standalone: str) -> None:
    done = commands(url_of("reader", standalone, "bare?authSource=admin"))("indexes")

    assert (done.exit_code, done.stderr) == (1, f"Error: {NO_RIGHT}\n")


def test_a_user_without_any_rights_is_told_what_would_help(standalone: str) -> None:
    done = commands(url_of("writer", standalone, "bare?authSource=admin"))("export")

    assert done.exit_code == 1
    assert done.stderr == (
        "Error: the user in SESSIONS_MONGO_URL may not create indexes in database bare, nor read "
        "it: grant readWrite.\n"
    )


def test_a_user_who_may_not_create_indexes_can_use_existing_ones(standalone: str) -> None:
    assert commands(url_of("root", standalone))("indexes").exit_code == 0

    done = commands(url_of("writer", standalone))("indexes")

    assert (done.exit_code, done.stderr) == (0, "")
