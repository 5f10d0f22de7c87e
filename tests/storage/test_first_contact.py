"""What is wrong with a MongoDB, or with its URL, is said in one sentence within seconds."""

import asyncio
import gc
import os
import subprocess
import time
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import MongoClient

from config.settings import Settings
from service.databases import NoDatabase, database_name, remarks_on
from service.domain.errors import StoreUnavailable
from service.storage.first_contact import PATIENCE_S, STANDALONE
from service.storage.indexes import ensure_indexes
from service.storage.url import UnusableUrl, overridden, usable
from tests.api.asking import SECRET
from tests.contract.conftest import REAL_KINDS
from tests.databases import connected
from tests.plain_mongod import plain_mongod
from tests.running import COMMAND

each_driver = pytest.mark.parametrize("driver", REAL_KINDS)
PASSWORD = "not to be shown"
# A command takes a second to start on a busy machine.
COMMAND_S = 6
ENCODED = "not%20to%20be%20shown"


@pytest.fixture(autouse=True)
async def collected() -> AsyncIterator[None]:
    """Collect the sockets that the driver leaves open when a connection fails."""
    yield
    await asyncio.sleep(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def settings(url: str, driver: str = "pymongo", **more: Any) -> Settings:
    return Settings(_env_file=None, mongo_url=url, mongo_driver=driver, **more)


@pytest.fixture(scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Give the host and port of a standalone server that wants users: root, reader and chatter."""
    async with plain_mongod(tmp_path_factory.mktemp("guarded"), "--auth") as port:
        _make_users(port)
        yield f"127.0.0.1:{port}"


def _make_users(port: int) -> None:
    with MongoClient[dict[str, Any]]("127.0.0.1", port) as first:
        first.admin.command("createUser", "root", pwd=PASSWORD, roles=["root"])
    with MongoClient[dict[str, Any]](
        "127.0.0.1", port, username="root", password=PASSWORD
    ) as client:
        reads = [{"role": "read", "db": "sessions"}]
        client.admin.command("createUser", "reader", pwd=PASSWORD, roles=reads)
        client["chat"].command("createUser", "chatter", pwd=PASSWORD, roles=["readWrite"])


async def problem_of(url: str, driver: str) -> str:
    begun_s = time.monotonic()
    with pytest.raises(NoDatabase) as problem:
        await remarks_on(settings(url, driver))
    assert time.monotonic() - begun_s < PATIENCE_S + 1
    assert PASSWORD not in str(problem.value)
    return str(problem.value)


@each_driver
@pytest.mark.parametrize(
    "url",
    [
        "mongodb://root:wrong@{}/",
        "mongodb://nobody:x@{}/",
        f"mongodb://chatter:{ENCODED}@{{}}/",
        f"mongodb://root:{ENCODED}@{{}}/chat",
    ],
    ids=["password", "user", "the database of the user", "the path as that database"],
)
async def test_wrong_credentials_are_called_that(guarded: str, url: str, driver: str) -> None:
    problem = await problem_of(url.format(guarded), driver)

    assert problem.startswith("The user or password in SESSIONS_MONGO_URL is wrong")


@each_driver
async def test_a_missing_user_is_called_that(guarded: str, driver: str) -> None:
    problem = await problem_of(f"mongodb://{guarded}/", driver)

    assert problem.startswith("This MongoDB wants a user and a password")


@each_driver
async def test_a_user_of_another_database_is_told_which_it_may_not_read(
    guarded: str, driver: str
) -> None:
    url = f"mongodb://chatter:{ENCODED}@{guarded}/other?authSource=chat"

    assert "may not read the database 'other'" in await problem_of(url, driver)


@each_driver
async def test_a_user_with_its_database_in_the_path_is_let_in(guarded: str, driver: str) -> None:
    url = f"mongodb://chatter:{ENCODED}@{guarded}/chat"

    assert await remarks_on(settings(url, driver)) == [STANDALONE]
    assert database_name(settings(url)) == "chat"


@each_driver
async def test_a_user_who_may_make_no_indexes_is_told_what_to_do(guarded: str, driver: str) -> None:
    async with connected(driver, f"mongodb://reader:{ENCODED}@{guarded}/?authSource=admin") as it:
        with pytest.raises(StoreUnavailable, match=r"may not create the index .* readWrite"):
            await ensure_indexes(it["sessions"])


@pytest.mark.parametrize(
    ("url", "remark"),
    [
        ("mongodb://127.0.0.1:9/", "No MongoDB answers at the hosts of SESSIONS_MONGO_URL"),
        ("mongodb://nowhere.invalid/", "A host name in SESSIONS_MONGO_URL does not resolve"),
        ("mongodb://{}/?tls=true", "do not agree on TLS"),
        ("mongodb://{}/?replicaSet=x", "The replicaSet in SESSIONS_MONGO_URL is not that"),
    ],
)
async def test_what_may_pass_is_a_remark(guarded: str, url: str, remark: str) -> None:
    [told] = await remarks_on(settings(url.format(guarded)))

    assert remark in told


@pytest.mark.parametrize("command", [["serve"], ["serve", "--workers", "2"], ["indexes"]])
async def test_a_command_ends_with_one_line_and_soon(guarded: str, command: list[str]) -> None:
    environment = {
        "SESSIONS_MONGO_URL": f"mongodb://root:wrong@{guarded}/",
        "SESSIONS_JWT_SECRET": SECRET,
        "SESSIONS_PORT": "0",
    }
    begun_s = time.monotonic()

    done = await asyncio.to_thread(
        subprocess.run,
        [COMMAND, *command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert time.monotonic() - begun_s < COMMAND_S
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: The user or password in SESSIONS_MONGO_URL is wrong")


async def test_a_replica_set_leaves_nothing_to_remark(mongo_url: str) -> None:
    assert await remarks_on(settings(mongo_url)) == []


async def test_options_that_are_overridden_are_named_once_with_what_holds(mongo_url: str) -> None:
    url = f"{mongo_url}&w=1&readPreference=secondary&retryWrites=false&maxPoolSize=7&journal=true"

    [told] = await remarks_on(settings(url))

    assert told == (
        "Options in SESSIONS_MONGO_URL that are overridden: w=1 (majority), "
        "readPreference=secondary (primary), retryWrites=false (true), maxPoolSize=7 (50)."
    )


def test_an_option_that_says_the_same_is_not_overridden() -> None:
    url = "mongodb://a,b/?w=majority&retrywrites=TRUE&j=true&authSource=admin;tls=true"

    assert list(overridden(url, {"w": "majority", "retryWrites": True, "journal": True})) == []


@pytest.mark.parametrize(
    ("url", "given", "name"),
    [
        ("mongodb://host/chat", None, "chat"),
        ("mongodb://host/chat?w=1", "mine", "mine"),
        ("mongodb://user:p%2Fw@a:1,b:2/my%2Dchat?authSource=admin", None, "my-chat"),
        ("mongodb+srv://cluster.example.com/chat?w=1", None, "chat"),
        ("mongodb://host/", None, "sessions"),
        ("mongodb://host", None, "sessions"),
        ("mongodb://host/?w=1", None, "sessions"),
        ("mongodb://%2Ftmp%2Fmongodb.sock/chat", None, "chat"),
    ],
)
def test_the_database_is_that_of_the_setting_else_of_the_path_else_sessions(
    url: str, given: str | None, name: str
) -> None:
    assert database_name(settings(url, mongo_database=given)) == name


@pytest.mark.parametrize("path", ["a.b", "a%20b", "a%24b", "x" * 64, "a/b"])
def test_a_path_that_no_database_can_have_is_refused(path: str) -> None:
    with pytest.raises(UnusableUrl) as problem:
        usable(f"mongodb://user:secret@host/{path}")

    assert "secret" not in str(problem.value)
