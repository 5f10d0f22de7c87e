"""mongomock as the store needs it: alone it lacks elections, raw documents and joined lists."""

from types import SimpleNamespace
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from mongomock_motor import AsyncMongoMockClient
from pymongo.read_concern import ReadConcern


class MockDatabase:
    client = SimpleNamespace(topology_description=SimpleNamespace(max_election_id=None))

    def __init__(self) -> None:
        self._database: Any = AsyncMongoMockClient()["db"]

    def __getitem__(self, name: str) -> Any:
        return self._database[name]

    def get_collection(
        self,
        name: str,
        *,
        codec_options: CodecOptions[Any] | None = None,
        read_concern: ReadConcern | None = None,
    ) -> Any:
        collection = self._database.get_collection(name, read_concern=read_concern)
        return _Undecoded(collection) if codec_options else collection

    async def command(self, command: str) -> Any:
        return await self._database.command(command)


class _Undecoded:
    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def find(self, *arguments: Any, **options: Any) -> "_UndecodedFind":
        return _UndecodedFind(self._collection.find(*arguments, **options))

    def aggregate(self, pipeline: list[Any]) -> "_UndecodedLists":
        return _UndecodedLists(self._collection, pipeline)


class _UndecodedFind:
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def hint(self, index: str) -> "_UndecodedFind":
        return _UndecodedFind(self._cursor.hint(index))

    async def to_list(self) -> list[RawBSONDocument]:
        return [_undecoded(found) for found in await self._cursor.to_list()]


class _UndecodedLists:
    """A pipeline of lists, all but the first in a `$unionWith`, executed one by one."""

    def __init__(self, collection: Any, pipeline: list[Any]) -> None:
        self._collection = collection
        unions = [stage["$unionWith"]["pipeline"] for stage in pipeline if "$unionWith" in stage]
        self._lists = [[stage for stage in pipeline if "$unionWith" not in stage], *unions]

    async def to_list(self) -> list[RawBSONDocument]:
        return [_undecoded(head) for stages in self._lists for head in await self._placed(stages)]

    async def _placed(self, stages: list[Any]) -> list[Any]:
        *finding, placing = stages
        place = placing["$replaceWith"]["place"]["$literal"]
        heads = await self._collection.aggregate(finding).to_list(None)
        return [{"place": place, "head": head} for head in heads]


def _undecoded(document: Any) -> RawBSONDocument:
    return RawBSONDocument(bson.encode(document))
