"""Which MongoDB is used, and the store on it: for the service, and for operators beside it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import SecretStr

from config.settings import Settings
from service.devdb.embedded import EmbeddedMongo, running_url
from service.devdb.mongod import EmbeddedMongoError
from service.signals import DriverWatcher, WatchBatch, unwatched
from service.storage import driver
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from service.storage.url import UnusableUrl, usable
from service.storage.users import MongoUserStore
from service.storage.watching import Commands, Connections


class NoDatabase(Exception):
    """There is no MongoDB to use; the text says why, and what to do."""


@asynccontextmanager
async def running_database(settings: Settings, *, join: bool = False) -> AsyncIterator[Settings]:
    """Yield the settings with a `mongo_url`: the one they name, else that of an embedded MongoDB.

    It is started for the time being; with `join`, one that a service runs on the folder
    is used instead.

    Raises:
        NoDatabase: the URL is none, or no embedded MongoDB can run.
    """
    async with AsyncExitStack() as stack:
        try:
            url = await _database_url(settings, stack, join=join)
        except (EmbeddedMongoError, UnusableUrl) as error:
            raise NoDatabase(str(error)) from None
        yield settings.model_copy(update={"mongo_url": SecretStr(url)})


async def _database_url(settings: Settings, stack: AsyncExitStack, *, join: bool) -> str:
    if settings.mongo_url is not None:
        return usable(settings.mongo_url.get_secret_value())
    if join and (running := running_url(settings.data_dir)):
        return running
    return await stack.enter_async_context(EmbeddedMongo(settings.data_dir))


@asynccontextmanager
async def operators_stores(
    settings: Settings,
) -> AsyncIterator[tuple[MongoSessionStore, MongoUserStore]]:
    """Open the stores beside the service, or without it: what operators' commands work on."""
    async with (
        running_database(settings, join=True) as complete,
        open_database(complete) as database,
    ):
        yield store_in(database, settings), MongoUserStore(database)


def store_in(
    database: Database, settings: Settings, *, watch: WatchBatch = unwatched
) -> MongoSessionStore:
    return MongoSessionStore(
        database,
        append_deadline_s=settings.append_deadline_s,
        text_search=settings.text_search,
        watch=watch,
    )


@asynccontextmanager
async def open_database(settings: Settings, *watchers: DriverWatcher) -> AsyncIterator[Database]:
    """Open the database at `mongo_url`; it may be away, and come later."""
    if settings.mongo_url is None:
        raise ValueError("SESSIONS_MONGO_URL is not set.")
    listeners = [kind(watcher) for watcher in watchers for kind in (Commands, Connections)]
    url = settings.mongo_url.get_secret_value()
    client = driver.connect(settings, url, event_listeners=listeners)
    try:
        yield client[settings.mongo_database]
    finally:
        await driver.close(client)
