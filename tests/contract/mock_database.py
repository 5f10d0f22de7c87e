"""mongomock as a store needs it: alone it lacks elections.

It keeps users. Sessions need a real MongoDB: mongomock has no pipelines that update, and none that
join another collection.
"""

from types import SimpleNamespace
from typing import Any

from mongomock_motor import AsyncMongoMockClient


class MockDatabase:
    client = SimpleNamespace(topology_description=SimpleNamespace(max_election_id=None))

    def __init__(self) -> None:
        self._database: Any = AsyncMongoMockClient()["db"]

    def __getitem__(self, name: str) -> Any:
        return self._database[name]

    def get_collection(self, name: str, **_: Any) -> Any:
        return self._database[name]

    async def command(self, command: str) -> Any:
        return await self._database.command(command)
