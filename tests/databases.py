"""Databases for tests: always new, dropped afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from pymongo.errors import AutoReconnect

from config.settings import Settings
from service.storage import driver
from service.storage.driver import Client, Database, name_of

__all__ = ["connected", "fresh_database", "name_of"]


@asynccontextmanager
async def connected(driver_name: str, mongo_url: str, **options: Any) -> AsyncIterator[Client]:
    settings = Settings(_env_file=None, mongo_driver=driver_name)
    client = driver.connect(settings, mongo_url, **options)
    try:
        yield client
    finally:
        await driver.close(client)


@asynccontextmanager
async def fresh_database(client: Client) -> AsyncIterator[Database]:
    """Give a database that did not exist before, and drop it afterwards."""
    server: Any = client
    name = f"test_{uuid4().hex}"
    if name in await server.list_database_names():
        raise RuntimeError(f"A database {name} already exists; the tests leave it alone.")
    try:
        yield client[name]
    finally:
        await _drop(server, name)


async def _drop(server: Any, name: str) -> None:
    # The loop stands still between async tests, so the driver may take the server for lost.
    try:
        await server.drop_database(name)
    except AutoReconnect:
        await server.drop_database(name)
