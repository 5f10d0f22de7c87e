"""MongoDB servers other than the embedded one: a standalone, one with users, one with TLS."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from service.devdb.mongod import EXIT_PORT_TAKEN, find_mongod
from service.devdb.tcp_ports import HOST, free_port

PASSWORD = "hush-of-the-tests"
START_S = 60
PORT_TRIES = 5
POLL_S = 0.05
# Everything except creating indexes.
WRITES = {
    "resource": {"db": "chat", "collection": ""},
    "actions": ["find", "insert", "update", "remove", "listIndexes"],
}


@asynccontextmanager
async def running_mongod(folder: Path, *options: str) -> AsyncIterator[str]:
    """Run a mongod with these options in an empty folder; give its address."""
    process, port = await _started(folder, options)
    try:
        yield f"{HOST}:{port}"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _started(folder: Path, options: tuple[str, ...]) -> tuple[Process, int]:
    """Return a mongod that listens, and its port; one that finds its port taken gets another."""
    for _ in range(PORT_TRIES):
        port = free_port()
        process = await _spawned(folder, port, options)
        if await _listening(process, port):
            return process, port
        assert process.returncode == EXIT_PORT_TAKEN, "mongod ended; its log says why."
    raise AssertionError("No free port for mongod.")


async def _spawned(folder: Path, port: int, options: tuple[str, ...]) -> Process:
    binary = find_mongod()
    assert binary is not None
    return await asyncio.create_subprocess_exec(
        str(binary),
        *("--dbpath", str(folder), "--port", str(port), "--bind_ip", HOST, "--nounixsocket"),
        *("--wiredTigerCacheSizeGB", "0.25", "--quiet", "--logpath", str(folder / "log")),
        *options,
        stdout=asyncio.subprocess.DEVNULL,
    )


async def _listening(process: Process, port: int) -> bool:
    async with asyncio.timeout(START_S):
        while process.returncode is None:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(HOST, port)
                writer.close()
                return True
            await asyncio.sleep(POLL_S)
    return False


async def with_users(address: str) -> None:
    """Create users: `root`, and others with fewer rights.

    `reader` reads `chat` and `bare`, `writer` cannot create indexes in `chat`, and `local` exists
    only in the database `chat`, where it may do everything.
    """
    client: AsyncMongoClient[dict[str, Any]]
    async with AsyncMongoClient(f"mongodb://{address}/") as client:
        # MongoDB lets this machine create the first user without a login.
        await client.admin.command("createUser", "root", pwd=PASSWORD, roles=["root"])
    async with AsyncMongoClient(f"mongodb://root:{PASSWORD}@{address}/") as client:
        reads = [{"role": "read", "db": database} for database in ("chat", "bare")]
        await client.admin.command("createUser", "reader", pwd=PASSWORD, roles=reads)
        await client["chat"].command("createUser", "local", pwd=PASSWORD, roles=["readWrite"])
        await client.admin.command("createRole", "writer", privileges=[WRITES], roles=[])
        await client.admin.command("createUser", "writer", pwd=PASSWORD, roles=["writer"])
