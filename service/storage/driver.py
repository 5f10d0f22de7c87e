"""The one module that knows which driver runs: Motor, or PyMongo's own async API.

Both offer the same calls on collections and cursors. Where they differ (`aggregate`,
`close`), this module hides it; the store uses nothing else that differs (decision 0003).
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import pymongo
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from pymongo import AsyncMongoClient
from pymongo.topology_description import TopologyDescription

from config.settings import Settings, give_motor_workers
from service.storage.url import without_overridden

CLOSE_S = 2

Document = dict[str, Any]
Filter = Mapping[str, Any]
Sort = Sequence[tuple[str, int | str | Filter]]
Found = TypeVar("Found")


class Cursor(Protocol[Found]):
    def hint(self, index: str) -> "Cursor[Found]": ...

    async def to_list(self, length: int | None = None) -> list[Found]: ...


class Findable(Protocol[Found]):
    def find(
        self,
        filter: Filter,  # noqa: A002  The drivers name it so.
        projection: Filter | None = None,
        *,
        sort: Sort | None = None,
        skip: int = 0,
        limit: int = 0,
    ) -> Cursor[Found]: ...


class UpdateResult(Protocol):
    matched_count: int
    modified_count: int


class Collection(Findable[Document], Protocol):
    """The calls the store makes, typed: what a driver has to offer."""

    name: str

    async def find_one(
        self,
        filter: Filter,  # noqa: A002  The drivers name it so.
        projection: Filter | None = None,
        *,
        sort: Sort | None = None,
    ) -> Document | None: ...

    async def insert_one(self, document: Document) -> object: ...

    async def insert_many(
        self, documents: Sequence[Document], *, ordered: bool = True
    ) -> object: ...

    async def update_one(self, filter: Filter, update: Filter) -> UpdateResult: ...  # noqa: A002

    async def update_many(
        self,
        filter: Filter,  # noqa: A002  The drivers name it so.
        update: Filter | Sequence[Filter],
    ) -> UpdateResult: ...

    async def find_one_and_update(
        self,
        filter: Filter,  # noqa: A002  The drivers name it so.
        update: Filter,
        *,
        return_document: bool,
    ) -> Document | None: ...

    async def delete_one(self, filter: Filter) -> object: ...  # noqa: A002

    async def delete_many(self, filter: Filter) -> object: ...  # noqa: A002

    async def count_documents(self, filter: Filter) -> int: ...  # noqa: A002

    async def create_index(self, keys: Sort, **options: Any) -> str: ...

    async def index_information(self) -> Mapping[str, Document]: ...


class RawCollection(Findable[RawBSONDocument], Protocol):
    """A collection whose documents stay bytes until they are looked into."""

    def aggregate(self, pipeline: Sequence[Filter]) -> Any: ...


class Database(Protocol):
    @property
    def client(self) -> Any: ...

    def __getitem__(self, name: str) -> Collection: ...

    def get_collection(
        self,
        name: str,
        *,
        codec_options: CodecOptions[Any] | None = None,
    ) -> Collection: ...

    async def command(self, command: str) -> Document: ...


class Client(Protocol):
    def __getitem__(self, name: str) -> Database: ...

    def close(self) -> Any: ...


def name_of(database: Database) -> str:
    named: Any = database
    return str(named.name)


def undecoded(database: Database, name: str) -> RawCollection:
    """Return the collection with documents that stay bytes until they are looked into."""
    found: Any = database.get_collection(name, codec_options=DEFAULT_RAW_BSON_OPTIONS)
    raw: RawCollection = found
    return raw


async def aggregated(
    collection: RawCollection, pipeline: Sequence[Filter]
) -> list[RawBSONDocument]:
    cursor = collection.aggregate(pipeline)
    if inspect.isawaitable(cursor):
        cursor = await cursor
    found: list[RawBSONDocument] = await cursor.to_list()
    return found


def newest_election(database: Database) -> ObjectId | None:
    """Return the newest election of a primary that the driver knows of.

    It uses no member as the primary before it knows of that member's election. None on a direct
    connection and on a sharded cluster: there it does not follow elections.
    """
    topology: TopologyDescription = database.client.topology_description
    return topology.max_election_id


def options(settings: Settings) -> dict[str, Any]:
    """Return the options of every client, by their names in URLs; what a URL says is overridden.

    Writes are acknowledged by a majority and its journal, and reads show only what a majority
    has: nothing seen is ever rolled back. That all of it is seen after an election, too, takes
    more (`Reads`).
    """
    return {
        "appName": "session-service",
        "w": "majority",
        "journal": True,
        "readConcernLevel": "majority",
        "retryWrites": True,
        "retryReads": True,
        # Secondaries may lag behind what was acknowledged.
        "readPreference": "primary",
        "timeoutMS": int(settings.mongo_timeout_s * 1000),
        # What the driver does on its own, such as ending sessions when it closes, waits as long.
        "serverSelectionTimeoutMS": int(settings.mongo_timeout_s * 1000),
        "connectTimeoutMS": 2000,
        "heartbeatFrequencyMS": 5000,
        "maxPoolSize": settings.mongo_max_pool,
        # What only a burst needed, or what waited for a new primary, does not stay open for ever.
        "maxIdleTimeMS": 30_000,
    }


def connect(settings: Settings, mongo_url: str, **extra: Any) -> Client:
    """Return a client for the running event loop; it connects on the first call."""
    given = without_overridden(mongo_url)
    client: Client = _client_class(settings)(given, **options(settings), **extra)
    return client


def _client_class(settings: Settings) -> Any:
    if settings.mongo_driver == "pymongo":
        return AsyncMongoClient
    # Motor sizes its thread pool when it is imported: one thread for each connection.
    give_motor_workers(settings.mongo_max_pool)
    from motor.motor_asyncio import AsyncIOMotorClient  # noqa: PLC0415

    return AsyncIOMotorClient


async def close(client: Client) -> None:
    # The driver informs the database which sessions end; a silent one does not respond.
    with pymongo.timeout(CLOSE_S):
        closing = client.close()
        if inspect.isawaitable(closing):
            await closing
