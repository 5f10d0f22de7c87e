"""mongomock as the store asks for it: with documents that stay bytes, which it does not know."""

from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from mongomock_motor import AsyncMongoMockClient
from pymongo.read_concern import ReadConcern


class MockDatabase:
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

    def find(self, *arguments: Any, **options: Any) -> "_UndecodedCursor":
        return _UndecodedCursor(self._collection.find(*arguments, **options))


class _UndecodedCursor:
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def hint(self, index: str) -> "_UndecodedCursor":
        return _UndecodedCursor(self._cursor.hint(index))

    async def to_list(self) -> list[RawBSONDocument]:
        return [RawBSONDocument(bson.encode(found)) for found in await self._cursor.to_list()]
