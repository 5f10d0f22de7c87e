"""A child process that can be killed, frozen and restarted; it dies with the rig."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from service.devdb.mongod import LAUNCH

STOP_S = 40


class Child:
    """One command with its log; at most one process runs it at a time."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self._command = command
        self._log = log
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("It does not run.")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        launch = [sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid())]
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *launch,
                *self._command,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    async def kill(self) -> None:
        self.send(signal.SIGKILL)
        await self.ended()

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    async def stop(self) -> None:
        """Ask the process to end, which a frozen one cannot do; kill it if it does not."""
        if not self.is_running:
            return
        self.thaw()
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self.ended()
        except TimeoutError:
            await self.kill()

    async def ended(self) -> int:
        if self._process is None:
            return 0
        return await self._process.wait()

    def send(self, what: signal.Signals) -> None:
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, what)
