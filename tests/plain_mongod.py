"""A mongod that is in no replica set, as a process of its own on loopback."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from service.devdb.mongod import find_mongod
from service.devdb.tcp_ports import HOST, free_port
from tests.faults.rig.child import Child

TRIES = 5
START_S = 30
POLL_S = 0.05


@asynccontextmanager
async def plain_mongod(folder: Path, *options: str) -> AsyncIterator[int]:
    """Give the port of a mongod that answers; one that finds its port taken gets another."""
    binary = find_mongod()
    if binary is None:
        pytest.skip("There is no mongod.")
    (folder / "data").mkdir()
    for _ in range(TRIES):
        port = free_port()
        where = ("--dbpath", str(folder / "data"), "--bind_ip", HOST, "--port", str(port))
        command = [str(binary), *where, "--nounixsocket", "--quiet", *options]
        child = Child(command, folder / "mongod.log", os.environ)
        await child.start()
        try:
            if await _answers(child, port):
                yield port
                return
        finally:
            if child.is_running:
                await child.kill()
    raise AssertionError((folder / "mongod.log").read_text()[-2000:])


async def _answers(child: Child, port: int) -> bool:
    async with asyncio.timeout(START_S):
        while child.is_running:
            if await asyncio.to_thread(_pings, port):
                return True
            await asyncio.sleep(POLL_S)
    return False


def _pings(port: int) -> bool:
    with MongoClient[dict[str, Any]](HOST, port, serverSelectionTimeoutMS=500) as client:
        try:
            return bool(client.admin.command("ping")["ok"])
        except PyMongoError:
            return False
