"""A small in-memory disk that can be filled, mounted where only chosen processes see it."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.faults.rig.child import Child

CHUNK_BYTES = 64 * 1024
MOUNT_S = 10
POLL_S = 0.02
MOUNTED, FILLER = ".mounted", "filler"
# The process that holds the mount: others that see it may end, and find their data again.
# Entering a namespace detaches a process from its parent: attach it again.
TIED = "exec setpriv --pdeathsig TERM"
HOLD = f'mount -t tmpfs -o size="$1"m tmpfs "$0" && touch "$0/{MOUNTED}" && {TIED} sleep 86400'
ENTER = f'mkdir -p "$0" && {TIED} "$@"'
TOOLS = ("unshare", "nsenter", "setpriv")


class CannotMount(Exception):
    """This machine does not let us mount anything; the fault cannot be injected here."""


class BoundedDisk:
    def __init__(self, folder: Path, holder: Child) -> None:
        self._folder = folder
        self._holder = holder

    def command(self, command: list[str], data: Path) -> list[str]:
        """Return the command wrapped so that it sees the disk, and this folder on it."""
        target = f"--target={self._holder.pid}"
        enter = [_path("nsenter"), target, "--user", "--mount", "--preserve-credentials"]
        return [*enter, "sh", "-c", ENTER, str(data), *command]

    def fill(self) -> None:
        """Use up all the space that is left."""
        with suppress(OSError), self._outside(FILLER).open("ab", buffering=0) as file:
            while True:
                file.write(b"\0" * CHUNK_BYTES)

    def free(self) -> None:
        self._outside(FILLER).unlink(missing_ok=True)

    async def mounted(self) -> None:
        async with asyncio.timeout(MOUNT_S):
            while not self._outside(MOUNTED).exists():
                if not self._holder.is_running:
                    raise CannotMount
                await asyncio.sleep(POLL_S)

    def _outside(self, name: str) -> Path:
        return Path(f"/proc/{self._holder.pid}/root{self._folder}") / name


@asynccontextmanager
async def bounded_disk(folder: Path, size_mb: int) -> AsyncIterator[BoundedDisk]:
    """Mount a disk of that size at the folder, for processes started to see it.

    Raises:
        CannotMount: it needs user namespaces, which some machines forbid.
    """
    if not all(map(shutil.which, TOOLS)):
        raise CannotMount
    unshare = [_path("unshare"), "--user", "--map-root-user", "--mount"]
    command = [*unshare, "sh", "-c", HOLD, str(folder), str(size_mb)]
    holder = Child(command, folder.with_suffix(".log"), os.environ)
    await holder.start()
    disk = BoundedDisk(folder, holder)
    try:
        await disk.mounted()
        yield disk
    finally:
        await holder.stop()


def _path(tool: str) -> str:
    return str(shutil.which(tool))
