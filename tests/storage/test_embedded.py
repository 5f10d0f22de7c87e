"""The embedded MongoDB keeps what it acknowledged, and says clearly if something is wrong.

Every test runs a real mongod.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError
from pymongo.uri_parser_shared import parse_host

from service.devdb.embedded import EmbeddedMongo, EmbeddedMongoError, running_url
from service.devdb.mongod import find_mongod

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024

# Runs the embedded MongoDB and waits to be killed.
SERVICE = """
import asyncio, sys
from pathlib import Path
from service.devdb.embedded import EmbeddedMongo

async def serve():
    async with EmbeddedMongo(Path(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.sleep(60)

asyncio.run(serve())
"""

Things = AsyncCollection[dict[str, Any]]


@asynccontextmanager
async def things_at(url: str) -> AsyncIterator[Things]:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        url, w="majority", journal=True, timeoutMS=15_000
    )
    async with client:
        yield client["test"]["things"]


async def ids(things: Things) -> list[int]:
    return [thing["_id"] async for thing in things.find().sort("_id")]


def mongod_pid(folder: Path) -> int:
    return int((folder / "mongo" / "mongod.lock").read_text())


@asynccontextmanager
async def another_program_at(url: str) -> AsyncIterator[None]:
    """Hang up on clients that do not speak its protocol, as most programs do."""
    _, port = parse_host(url.removeprefix("mongodb://").split("/")[0])
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port):
        yield


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while True:
            if happened():
                return
            await asyncio.sleep(0.02)


def is_running(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Return a separate disk, with the size in MiB that the test requests."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = f"size={request.param}m"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk has to be mounted here: {mounted.stderr.strip()}")
    yield disk
    # A lazy unmount: a failed test may leave its mongod running on it for a moment.
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def test_acknowledged_data_survives_a_restart(tmp_path: Path) -> None:
    async with EmbeddedMongo(tmp_path) as url, things_at(url) as things:
        await things.insert_one({"_id": 1})

    async with EmbeddedMongo(tmp_path) as url, things_at(url) as things:
        found = await ids(things)

    assert found == [1]


async def test_a_restart_keeps_the_url(tmp_path: Path) -> None:
    async with EmbeddedMongo(tmp_path) as url:
        pass

    async with EmbeddedMongo(tmp_path) as url_again:
        pass

    assert url_again == url


async def test_it_moves_with_its_data_when_another_program_has_taken_its_port(
    tmp_path: Path,
) -> None:
    async with EmbeddedMongo(tmp_path) as url, things_at(url) as things:
        await things.insert_one({"_id": 1})

    async with (
        another_program_at(url),
        EmbeddedMongo(tmp_path) as url_elsewhere,
        things_at(url_elsewhere) as things,
    ):
        found = await ids(things)

    assert url_elsewhere != url
    assert found == [1]


async def test_a_silent_program_on_its_former_port_does_not_delay_it(
    tmp_path: Path,
) -> None:
    async with EmbeddedMongo(tmp_path) as first, things_at(first) as things:
        await things.insert_one({"_id": 1})
    _, port = parse_host(first.removeprefix("mongodb://").split("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        begun_s = time.monotonic()

        async with EmbeddedMongo(tmp_path) as second, things_at(second) as things:
            took_s = time.monotonic() - begun_s
            found = await ids(things)

    assert second != first
    assert found == [1]
    # Without intervention, mongod waits for 30 s.
    assert took_s < 15


async def test_it_takes_another_port_if_another_program_was_faster(tmp_path: Path) -> None:
    refused = tmp_path / "refused"
    binary = script(
        tmp_path / "mongod",
        # The first run exits as mongod does when its port is taken; the second one is mongod.
        f'[ -e {refused} ] || {{ touch {refused}; exit 48; }}\nexec {find_mongod()} "$@"',
    )

    async with (
        EmbeddedMongo(tmp_path / "data", find_binary=lambda: binary) as url,
        things_at(url) as things,
    ):
        await things.insert_one({"_id": 1})

        assert refused.exists()
        assert await ids(things) == [1]


async def test_a_transaction_commits(tmp_path: Path) -> None:
    async with EmbeddedMongo(tmp_path) as url, things_at(url) as things:
        client = things.database.client
        async with client.start_session() as session, await session.start_transaction():
            await things.insert_many([{"_id": 1}, {"_id": 2}], session=session)

        found = await ids(things)

    assert found == [1, 2]


async def test_a_second_start_on_one_folder_names_the_folder_and_the_process_using_it(
    tmp_path: Path,
) -> None:
    async with EmbeddedMongo(tmp_path):
        with pytest.raises(EmbeddedMongoError) as refused:
            await EmbeddedMongo(tmp_path).start()

    assert str(refused.value) == (
        f"The folder {tmp_path} is in use by another service (pid {os.getpid()})."
    )


async def test_a_second_start_leaves_the_first_one_running(tmp_path: Path) -> None:
    embedded = EmbeddedMongo(tmp_path)
    async with embedded as url, things_at(url) as things:
        with pytest.raises(EmbeddedMongoError):
            await embedded.start()

        await things.insert_one({"_id": 1})

        assert await ids(things) == [1]


async def test_without_a_binary_the_message_says_how_to_get_one(tmp_path: Path) -> None:
    embedded = EmbeddedMongo(tmp_path, find_binary=lambda: None)

    with pytest.raises(EmbeddedMongoError) as refused:
        await embedded.start()

    assert "docker compose up" in str(refused.value)
    assert "SESSIONS_MONGO_URL" in str(refused.value)


async def test_a_binary_that_cannot_run_is_quoted(tmp_path: Path) -> None:
    complaint = "error while loading shared libraries: libcrypto.so.3"
    binary = script(tmp_path / "mongod", f"echo '{complaint}' >&2; exit 127")

    with pytest.raises(EmbeddedMongoError) as refused:
        await EmbeddedMongo(tmp_path / "data", find_binary=lambda: binary).start()

    assert f"ended with exit code 127: {complaint}" in str(refused.value)


def script(path: Path, commands: str) -> Path:
    path.write_text(f"#!/bin/sh\n{commands}\n")
    path.chmod(0o700)
    return path


async def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"

    with pytest.raises(EmbeddedMongoError) as refused:
        await EmbeddedMongo(folder).start()

    assert str(folder) in str(refused.value)


async def test_a_log_that_has_grown_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "mongod.log"
    log.touch()
    os.truncate(log, 17 * MIB)

    async with EmbeddedMongo(tmp_path):
        size_bytes = log.stat().st_size

    assert size_bytes < MIB
    assert (tmp_path / "mongod.log.old").stat().st_size == 17 * MIB


async def test_the_folder_is_closed_to_other_users(tmp_path: Path) -> None:
    folder = tmp_path / "data"

    async with EmbeddedMongo(folder):
        mode = folder.stat().st_mode & 0o777

    assert mode == 0o700


async def test_a_killed_mongod_comes_back_at_its_url_with_what_it_acknowledged(
    tmp_path: Path,
) -> None:
    async with EmbeddedMongo(tmp_path) as url, things_at(url) as things:
        await things.insert_many([{"_id": number} for number in range(100)])
        os.kill(mongod_pid(tmp_path), signal.SIGKILL)

        await things.insert_one({"_id": 100})

        assert await ids(things) == list(range(101))


async def test_a_killed_mongod_is_logged_with_its_pid_and_the_signal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with EmbeddedMongo(tmp_path):
        pid = mongod_pid(tmp_path)
        os.kill(pid, signal.SIGKILL)

        await until(lambda: bool(said_by_its_keeper(caplog)))

    expected = f"mongod (pid {pid}) was killed by signal 9; starting it again"
    assert said_by_its_keeper(caplog) == [expected]


async def test_a_stopped_mongod_leaves_no_process_and_can_be_stopped_again(tmp_path: Path) -> None:
    embedded = EmbeddedMongo(tmp_path)
    await embedded.start()
    pid = mongod_pid(tmp_path)

    await embedded.stop()
    await embedded.stop()

    assert not is_running(pid)


async def test_ctrl_c_does_not_reach_mongod(tmp_path: Path) -> None:
    async with EmbeddedMongo(tmp_path):
        process_group = os.getpgid(mongod_pid(tmp_path))

    assert process_group != os.getpgid(0)


async def test_the_running_url_is_known_only_while_it_runs(tmp_path: Path) -> None:
    before = running_url(tmp_path)
    async with EmbeddedMongo(tmp_path) as url:
        meanwhile = running_url(tmp_path)
    after = running_url(tmp_path)

    assert (before, meanwhile, after) == (None, url, None)


async def test_another_process_finds_the_running_url(tmp_path: Path) -> None:
    async with killable_service(tmp_path) as (_, url):
        found = running_url(tmp_path)

    assert found == url


async def test_the_mongod_of_a_killed_service_ends(tmp_path: Path) -> None:
    async with killable_service(tmp_path) as (service, _):
        pid = mongod_pid(tmp_path)

        service.kill()
        await until(lambda: not is_running(pid))

    assert running_url(tmp_path) is None


async def test_the_folder_of_a_killed_service_can_be_used_again_immediately(tmp_path: Path) -> None:
    async with killable_service(tmp_path) as (service, url):
        async with things_at(url) as things:
            await things.insert_one({"_id": 1})
        service.kill()
        await service.wait()

    async with EmbeddedMongo(tmp_path) as url_again, things_at(url_again) as things:
        found = await ids(things)

    assert url_again == url
    assert found == [1]


@asynccontextmanager
async def killable_service(
    folder: Path,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, str(folder), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert service.stdout is not None
    try:
        yield service, (await service.stdout.readline()).decode().strip()
    finally:
        with suppress(ProcessLookupError):
            service.kill()
        await service.wait()


@pytest.mark.parametrize("small_disk", [32], indirect=True)
async def test_it_does_not_start_on_a_full_disk(small_disk: Path) -> None:
    with pytest.raises(EmbeddedMongoError) as refused:
        await EmbeddedMongo(small_disk).start()

    assert str(refused.value) == (
        f"The disk of {small_disk} is full: free some space and start again."
    )


async def test_a_mongod_that_finds_its_disk_full_does_not_start_either(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    binary = script(tmp_path / "mongod", "echo 'write: No space left on device' >&2; exit 1")

    with pytest.raises(EmbeddedMongoError) as refused:
        await EmbeddedMongo(folder, find_binary=lambda: binary).start()

    assert str(refused.value) == f"The disk of {folder} is full: free some space and start again."


@pytest.mark.parametrize("small_disk", [512], indirect=True)
async def test_it_survives_a_full_disk_with_everything_it_acknowledged(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filler = small_disk / "filler"
    async with EmbeddedMongo(small_disk / "data") as url, things_at(url) as things:
        await things.insert_one({"_id": 0})
        fill(filler, leave_bytes=8 * MIB)
        acknowledged = [0, *await write_until_refused(things)]
        await until(lambda: bool(said_by_its_keeper(caplog)))

        filler.unlink()
        found = await ids(things)

    message = "is full: free some space and the embedded MongoDB goes on by itself."
    assert said_by_its_keeper(caplog) == [f"The disk of {small_disk / 'data'} {message}"]
    assert set(acknowledged) <= set(found)


def said_by_its_keeper(caplog: pytest.LogCaptureFixture) -> list[str]:
    # Other services of this process log too.
    return [r.getMessage() for r in caplog.records if r.name == "service.devdb.embedded"]


def fill(filler: Path, *, leave_bytes: int) -> None:
    # In small pieces, because mongod takes space at the same time.
    with filler.open("wb") as file:
        while shutil.disk_usage(filler.parent).free > leave_bytes:
            file.write(bytes(MIB))
            file.flush()


async def write_until_refused(things: Things) -> list[int]:
    acknowledged: list[int] = []
    with suppress(PyMongoError):
        for number in range(1, 10_000):
            with pymongo.timeout(2):
                await things.insert_one({"_id": number, "text": os.urandom(100_000)})
            acknowledged.append(number)
    return acknowledged
