"""The only file that knows all the parts. It puts them together, opens and closes them."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from types import FrameType
from typing import Any

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette

from config.settings import Settings
from service.api.fallbacks import FALLBACKS
from service.api.rate_limits import RateLimits
from service.api.windows import EncodedWindows
from service.auth.configured import authenticator_for
from service.domain.chat import Chat
from service.domain.errors import StoreUnavailable
from service.domain.keys import Keys
from service.domain.models import utc_now
from service.domain.sessions import Sessions
from service.domain.users import Users
from service.llm.configured import model_for
from service.llm.templates import SandboxedTemplates
from service.routes import routes
from service.storage import driver
from service.storage.driver import Database
from service.storage.embedded import EmbeddedMongo, running_url
from service.storage.mongo import MongoSessionStore
from service.storage.mongod import EmbeddedMongoError
from service.storage.url import UnusableUrl, usable
from service.storage.users import MongoUserStore

PREPARE_PAUSE_S = 1

logger = logging.getLogger(__name__)


class NoDatabase(Exception):
    """There is no MongoDB to use; the text says why, and what to do."""


def create_app(settings: Settings, *, demo: bool = False) -> Starlette:
    """Return the service as an ASGI application; its lifespan opens and closes the parts.

    With `demo`, chats without a configured model get answers that say they are none.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_database(settings) as database, model_for(settings, demo=demo) as model:
            store = store_in(database, settings)
            app.state.sessions = sessions = Sessions(store)
            app.state.keys = Keys(sessions, store)
            app.state.windows = EncodedWindows(sessions, max_bytes=settings.window_cache_bytes)
            app.state.chat = chat = Chat(
                sessions, model, SandboxedTemplates(), searches=settings.text_search
            )
            app.state.users = Users(MongoUserStore(database), store)
            async with upkeep(store, settings):
                yield
                await chat.close()

    app = Starlette(
        routes=routes(),
        lifespan=lifespan,
        exception_handlers=FALLBACKS,
    )
    app.router.redirect_slashes = False
    app.state.settings = settings
    app.state.authenticator = authenticator_for(settings)
    app.state.started_s = time.monotonic()
    app.state.keyed_limits = RateLimits(
        settings.keyed_requests_per_minute, settings.trusted_proxies
    )
    return app


async def serve_on(
    listener: socket.socket,
    settings: Settings,
    *,
    when_listening: Callable[[], None],
    demo: bool = False,
) -> None:
    """Serve until a signal says to stop, and the requests under way have ended."""
    config = uvicorn.Config(
        create_app(settings, demo=demo),
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )
    await _Server(config, when_listening).serve(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, when_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_listening = when_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  As uvicorn's.
        # Uvicorn's own would raise the signal again and kill us before MongoDB is stopped.
        self.force_exit = self.should_exit
        self.should_exit = True


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
async def operators_store(settings: Settings) -> AsyncIterator[MongoSessionStore]:
    """Open the store beside the service, or without it: what operators' commands work on."""
    async with (
        running_database(settings, join=True) as complete,
        open_database(complete) as database,
    ):
        yield store_in(database, settings)


def store_in(database: Database, settings: Settings) -> MongoSessionStore:
    return MongoSessionStore(
        database,
        append_deadline_s=settings.append_deadline_s,
        text_search=settings.text_search,
    )


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database at `mongo_url`; it may be away, and come later."""
    if settings.mongo_url is None:
        raise ValueError("SESSIONS_MONGO_URL is not set.")
    client = driver.connect(settings, settings.mongo_url.get_secret_value())
    try:
        yield client[settings.mongo_database]
    finally:
        await driver.close(client)


@asynccontextmanager
async def upkeep(store: MongoSessionStore, settings: Settings) -> AsyncIterator[None]:
    """Prepare the store, at once if the database is there; sweep it from then on."""
    with suppress(StoreUnavailable):
        await store.prepare()
    task = asyncio.create_task(_prepare_and_sweep(store, settings))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _prepare_and_sweep(store: MongoSessionStore, settings: Settings) -> None:
    while not store.is_prepared:
        await _unless_away(store.prepare())
        await asyncio.sleep(PREPARE_PAUSE_S)
    grace = timedelta(seconds=settings.delete_grace_s)
    while True:
        await _unless_away(store.sweep(begun_before=utc_now() - grace))
        await asyncio.sleep(settings.sweep_interval_s)


async def _unless_away(call: Awaitable[Any]) -> None:
    try:
        await call
    except StoreUnavailable as error:
        logger.warning("upkeep waits: %s", error)
