"""The embedded MongoDB: a real mongod as a child of the service, for development and tests."""

import asyncio
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from service.devdb.mongod import (
    DATABASE_FOLDER,
    REPLICA_SET,
    EmbeddedMongoError,
    Ending,
    Mongod,
    find_mongod,
)
from service.devdb.tcp_ports import HOST, PORTS, free_port, reserve

__all__ = ["EmbeddedMongo", "EmbeddedMongoError", "running_url"]

logger = logging.getLogger(__name__)

LOCK_FILE = "embedded.lock"
MIN_FREE_BYTES = 64 * 1024 * 1024
PORT_TRIES = 5
DYING_S = 10
LEAVING_S = 2
LOCK_TRIES = 5
LOCK_POLL_S = 0.05
NOTE_BYTES = 256
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
CALM_S = 30
SPACE_POLL_S = 0.5

NO_BINARY = (
    "There is no mongod to run: the packaged one (the extra `embedded`) is for Linux on x86-64 and "
    "for macOS. Run `docker compose up` instead, put a mongod on the PATH, or set "
    "SESSIONS_MONGO_URL."
)


class EmbeddedMongo:
    """A MongoDB on a folder of its own, from `start` to `stop`.

    Only one at a time runs on a folder, in whichever process. What it acknowledged with
    majority survives it. If its mongod ends, it starts another at the same URL.
    """

    def __init__(
        self, data_dir: Path, *, find_binary: Callable[[], Path | None] = find_mongod
    ) -> None:
        self._folder = data_dir.absolute()
        self._find_binary = find_binary
        self._lock = _FolderLock(self._folder)
        self._mongod: Mongod | None = None
        self._supervisor: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Return the URL of a replica set that accepts writes.

        Raises:
            EmbeddedMongoError: no binary, no space, or the folder is in use.
        """
        binary = self._find_binary()
        if binary is None:
            raise EmbeddedMongoError(NO_BINARY)
        try:
            await self._lock.take()
            return await self._start_locked(binary)
        except OSError as error:
            raise EmbeddedMongoError(f"Cannot use the folder {self._folder}: {error}.") from error

    async def stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
            self._supervisor = None
        if self._mongod is not None:
            await self._mongod.stop()
            self._mongod = None
        self._lock.release()

    async def __aenter__(self) -> str:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _start_locked(self, binary: Path) -> str:
        try:
            self._lock.write(self._lock.last_port())
            mongod, port = await self._first(binary)
            url = f"mongodb://{HOST}:{port}/?replicaSet={REPLICA_SET}"
            self._lock.write(port, url)
        except BaseException:
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._keep_running(mongod, binary, port))
        return url

    async def _first(self, binary: Path) -> tuple[Mongod, int]:
        if not _has_space(self._folder):
            raise EmbeddedMongoError(self._disk_is_full("start again"))
        await _unlocked(self._folder / DATABASE_FOLDER / "mongod.lock")
        former_port = self._lock.last_port()
        port = await _port(former_port)
        for _ in range(PORT_TRIES):
            self._mongod = mongod = await Mongod.spawn(binary, self._folder, port)
            try:
                await mongod.become_primary(former_port)
            except Ending as ending:
                if not ending.port_is_taken:
                    raise EmbeddedMongoError(self._why(ending)) from None
                port = free_port()
            else:
                return mongod, port
        raise EmbeddedMongoError(f"No free port for mongod after {PORT_TRIES} tries.")

    def _why(self, ending: Ending) -> str:
        if ending.disk_is_full:
            return self._disk_is_full("start again")
        return f"The embedded MongoDB did not start: {ending.cause}."

    def _disk_is_full(self, then: str) -> str:
        return f"The disk of {self._folder} is full: free some space and {then}."

    async def _keep_running(self, mongod: Mongod, binary: Path, port: int) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            ending = await mongod.wait()
            pause_s = FIRST_PAUSE_S if mongod.age_s > CALM_S else pause_s
            try:
                await self._space_after(ending)
                self._mongod = mongod = await Mongod.spawn(binary, self._folder, port)
            except OSError:
                logger.exception("cannot start mongod again")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _space_after(self, ending: Ending) -> None:
        if _has_space(self._folder) and not ending.disk_is_full:
            logger.error("%s; starting it again", ending.cause)
            return
        logger.error("%s", self._disk_is_full("the embedded MongoDB goes on by itself"))
        while True:
            await asyncio.sleep(SPACE_POLL_S)
            if _has_space(self._folder):
                return


def running_url(data_dir: Path) -> str | None:
    """Return the URL of the embedded MongoDB that runs on this folder, in any process."""
    try:
        with (data_dir / LOCK_FILE).open("rb") as file:
            url = _note(file.fileno()).get("url") if _is_locked(file.fileno()) else None
    except FileNotFoundError:
        return None
    return url if isinstance(url, str) else None


class _FolderLock:
    """A locked file with a note: which process uses the folder, and at which port and URL.

    The kernel unlocks it when its holder dies. The note stays, so that the next start
    finds the port again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    async def take(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        for _ in range(LOCK_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._file = file
                return
            # A process that looks up the running URL holds the lock for a moment.
            await asyncio.sleep(LOCK_POLL_S)
        pid = _note(file).get("pid")
        os.close(file)
        raise EmbeddedMongoError(
            f"The folder {self._folder} is in use by another service (pid {pid})."
        )

    def last_port(self) -> int | None:
        port = _note(self._held()).get("port")
        return port if isinstance(port, int) and port in PORTS else None

    def write(self, port: int | None, url: str | None = None) -> None:
        note = json.dumps({"pid": os.getpid(), "port": port, "url": url})
        # One write of one size: a concurrent reader sees either the old note or the new one.
        os.pwrite(self._held(), note.encode().ljust(NOTE_BYTES), 0)

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _held(self) -> int:
        if self._file is None:
            raise RuntimeError("Take the lock first.")
        return self._file


def _note(file: int) -> dict[str, Any]:
    with suppress(ValueError):
        note = json.loads(os.pread(file, NOTE_BYTES, 0))
        return note if isinstance(note, dict) else {}
    return {}


def _is_locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


async def _unlocked(lock: Path) -> None:
    """Wait for the mongod of a killed service to stop."""
    with suppress(FileNotFoundError), lock.open("rb") as file:
        for _ in range(round(DYING_S / LOCK_POLL_S)):
            if not _is_locked(file.fileno()):
                return
            await asyncio.sleep(LOCK_POLL_S)
        pid = file.read().decode().strip()
        raise EmbeddedMongoError(
            f"The folder {lock.parent} is in use by another mongod (pid {pid})."
        )


def _has_space(folder: Path) -> bool:
    return shutil.disk_usage(folder).free >= MIN_FREE_BYTES


async def _port(preferred: int | None) -> int:
    if preferred is None:
        return free_port()
    # A mongod that is stopping releases its folder a moment before its port.
    for _ in range(round(LEAVING_S / LOCK_POLL_S)):
        if reserve(preferred):
            return preferred
        await asyncio.sleep(LOCK_POLL_S)
    return free_port()
