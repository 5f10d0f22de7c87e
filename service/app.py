"""The only file that knows all the parts. It puts them together, opens and closes them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from starlette.applications import Starlette

from config.settings import Settings
from service.api.fallbacks import FALLBACKS
from service.api.windows import EncodedWindows
from service.auth.configured import authenticator_for
from service.domain.chat import Chat
from service.domain.errors import StoreUnavailable
from service.domain.models import utc_now
from service.domain.sessions import Sessions
from service.domain.users import Users
from service.routes import routes
from service.storage import driver
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from service.storage.users import MongoUserStore

PREPARE_PAUSE_S = 1

logger = logging.getLogger(__name__)


def create_app(settings: Settings) -> Starlette:
    """Return the service as an ASGI application; its lifespan opens and closes the parts."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_database(settings) as database:
            store = MongoSessionStore(database, append_deadline_s=settings.append_deadline_s)
            app.state.sessions = sessions = Sessions(store)
            app.state.windows = EncodedWindows(sessions, max_bytes=settings.window_cache_bytes)
            app.state.chat = Chat(app.state.sessions, None)
            app.state.users = Users(MongoUserStore(database), store)
            async with upkeep(store, settings):
                yield

    app = Starlette(
        routes=routes(),
        lifespan=lifespan,
        exception_handlers=FALLBACKS,
    )
    app.router.redirect_slashes = False
    app.state.settings = settings
    app.state.authenticator = authenticator_for(settings)
    return app


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
