"""Which MongoDB is used, and the store on it: for the service, and for operators' commands."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import SecretStr

from config.settings import Settings
from service.devdb.embedded import EmbeddedMongo, running_url
from service.devdb.mongod import EmbeddedMongoError
from service.signals import DriverWatcher, WatchBatch, unwatched
from service.storage import driver
from service.storage.diagnosis import STANDALONE, FirstLook, first_look
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from service.storage.url import (
    UnusableUrl,
    database_in,
    names_another,
    overridden,
    usable,
    without_overridden,
)
from service.storage.users import MongoUserStore
from service.storage.watching import Commands, Connections

DEFAULT_DATABASE = "sessions"


class NoDatabase(Exception):
    """No MongoDB can be used; the text says why, and what to do."""


@asynccontextmanager
async def running_database(settings: Settings, *, join: bool = False) -> AsyncIterator[Settings]:
    """Yield the settings with a `mongo_url`: the one they name, else that of an embedded MongoDB.

    It is started, and stopped at the end; with `join`, one that a service already runs on
    the folder is used instead.

    Raises:
        NoDatabase: the URL is unusable, or an embedded MongoDB cannot run.
    """
    async with AsyncExitStack() as stack:
        try:
            url = await _database_url(settings, stack, join=join)
        except (EmbeddedMongoError, UnusableUrl) as error:
            raise NoDatabase(str(error)) from None
        yield settings.model_copy(update={"mongo_url": SecretStr(url)})


async def _database_url(settings: Settings, stack: AsyncExitStack, *, join: bool) -> str:
    if settings.mongo_url is not None:
        database_name(settings)
        return usable(settings.mongo_url.get_secret_value(), max_pool=settings.mongo_max_pool)
    if join and (running := running_url(settings.data_dir)):
        return running
    return await stack.enter_async_context(EmbeddedMongo(settings.data_dir))


def database_name(settings: Settings) -> str:
    """Return the database that everything uses.

    Raises:
        UnusableUrl: the setting is missing, and the URL names a database that cannot be used.
    """
    if settings.mongo_database is None and settings.mongo_url is not None:
        return database_in(settings.mongo_url.get_secret_value()) or DEFAULT_DATABASE
    return settings.mongo_database or DEFAULT_DATABASE


def url_for_clients(settings: Settings) -> str | None:
    """Return the URL without the options that are overridden; None if it is not set."""
    if settings.mongo_url is None:
        return None
    return without_overridden(settings.mongo_url.get_secret_value())


def overridden_by_settings(settings: Settings) -> list[str]:
    """Say which parts of the URL are overridden, and by what; never their values."""
    if settings.mongo_url is None:
        return []
    url = settings.mongo_url.get_secret_value()
    said = overridden(url, driver.options(settings))
    if settings.mongo_database is not None and names_another(url, settings.mongo_database):
        said.append(
            "SESSIONS_MONGO_URL: the database in its path overridden by SESSIONS_MONGO_DATABASE"
        )
    return said


async def warnings_at_start(settings: Settings) -> list[str]:
    """Return what operators should know when the service starts, from one look at its MongoDB.

    A problem that may pass is only reported: the database may be away, and come later.

    Raises:
        NoDatabase: waiting will not solve the problem, for example a wrong password.
    """
    trouble, is_standalone = await _first_look(settings)
    if trouble is not None and trouble.lasts:
        raise NoDatabase(f"{trouble}.")
    waiting = [] if trouble is None else [f"{trouble}; the service tries again"]
    standalone = [STANDALONE] if is_standalone else []
    return [*overridden_by_settings(settings), *waiting, *standalone]


async def _first_look(settings: Settings) -> FirstLook:
    if settings.mongo_url is None:
        return FirstLook(None, is_standalone=False)
    try:
        return await first_look(settings.mongo_url.get_secret_value(), database_name(settings))
    except UnusableUrl as error:
        raise NoDatabase(str(error)) from None


@asynccontextmanager
async def operators_stores(
    settings: Settings,
) -> AsyncIterator[tuple[MongoSessionStore, MongoUserStore]]:
    """Open the stores that operators' commands work on, whether the service runs or not.

    Raises:
        NoDatabase: MongoDB cannot be used now; commands do not wait for it.
    """
    async with running_database(settings, join=True) as complete:
        trouble, _ = await _first_look(settings)
        if trouble is not None:
            raise NoDatabase(f"{trouble}.")
        async with open_database(complete) as database:
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
    """Open the database at `mongo_url`; it may be unavailable, and come up later."""
    if settings.mongo_url is None:
        raise ValueError("SESSIONS_MONGO_URL is not set.")
    listeners = [kind(watcher) for watcher in watchers for kind in (Commands, Connections)]
    url = settings.mongo_url.get_secret_value()
    client = driver.connect(settings, url, event_listeners=listeners)
    try:
        yield client[database_name(settings)]
    finally:
        await driver.close(client)
