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
from service.storage.first_contact import first_contact
from service.storage.mongo import MongoSessionStore
from service.storage.url import UnusableUrl, database_in, overridden, usable
from service.storage.users import MongoUserStore
from service.storage.watching import Commands, Connections

DEFAULT_DATABASE = "sessions"


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


def database_name(settings: Settings) -> str:
    """Return the name of the database: that of the settings, else that of the URL, else a default.

    Raises:
        NoDatabase: the URL names one that no database can have.
    """
    if settings.mongo_database is not None or settings.mongo_url is None:
        return settings.mongo_database or DEFAULT_DATABASE
    try:
        return database_in(settings.mongo_url.get_secret_value()) or DEFAULT_DATABASE
    except UnusableUrl as error:
        raise NoDatabase(str(error)) from None


async def remarks_on(settings: Settings) -> list[str]:
    """Return what an operator should know of the MongoDB that the settings name, before the start.

    It may be away, and come later; then that is the remark. Takes two seconds at most.

    Raises:
        NoDatabase: it lets this user in neither now nor later.
    """
    if settings.mongo_url is None:
        return []
    try:
        url = usable(_url_of(settings))
    except UnusableUrl as error:
        raise NoDatabase(str(error)) from None
    options = ", ".join(overridden(url, driver.fixed_options(settings)))
    remarks = [f"Options in SESSIONS_MONGO_URL that are overridden: {options}."] if options else []
    contact = await first_contact(settings, url, database_name(settings))
    if contact.refused:
        raise NoDatabase(_sentence(contact.refused))
    remarks += [_sentence(text) for text in (contact.absent, contact.warning) if text]
    return remarks


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


@asynccontextmanager
async def operators_stores(
    settings: Settings,
) -> AsyncIterator[tuple[MongoSessionStore, MongoUserStore]]:
    """Open the stores next to the service, or without it: what operators' commands work on.

    Raises:
        NoDatabase: there is no MongoDB to use, or it does not let this user in.
    """
    async with running_database(settings, join=True) as complete:
        contact = await first_contact(complete, _url_of(complete), database_name(complete))
        if problem := contact.refused or contact.absent:
            raise NoDatabase(_sentence(problem))
        async with open_database(complete) as database:
            yield store_in(database, settings), MongoUserStore(database)


def _url_of(settings: Settings) -> str:
    if settings.mongo_url is None:
        raise ValueError("SESSIONS_MONGO_URL is not set.")
    return settings.mongo_url.get_secret_value()


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
    url = _url_of(settings)
    listeners = [kind(watcher) for watcher in watchers for kind in (Commands, Connections)]
    client = driver.connect(settings, url, event_listeners=listeners)
    try:
        yield client[database_name(settings)]
    finally:
        await driver.close(client)
