"""The only file that knows all the parts. It puts them together, opens and closes them."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware

from config.settings import Settings
from service.api.cors import cross_origin
from service.api.docs_page import page
from service.api.fallbacks import Fallbacks
from service.api.headers import StandardHeaders
from service.api.in_flight import InFlightCap
from service.api.middleware import Measured
from service.api.rate_limits import Counts, rate_limits
from service.api.request_log import RequestLog
from service.api.stopping import LastAnswers
from service.api.windows import EncodedWindows
from service.auth.configured import authenticator_for
from service.descriptions import description
from service.domain.chat import Chat
from service.domain.errors import StoreUnavailable
from service.domain.keys import Keys
from service.domain.models import utc_now
from service.domain.sessions import Sessions
from service.domain.users import Users
from service.llm.configured import model_for
from service.llm.templates import SandboxedTemplates
from service.observability.health import Readiness
from service.observability.logs import write_logs
from service.observability.observer import observer_for
from service.observability.watching import (
    MeasuredModel,
    Sampler,
    count_key_set,
    measured_sweep,
)
from service.routes import DIALECT_OF_PATH, routes
from service.server import Server, server_config
from service.storage import driver
from service.storage.driver import Database
from service.storage.embedded import EmbeddedMongo, running_url
from service.storage.mongo import MongoSessionStore
from service.storage.mongod import EmbeddedMongoError
from service.storage.url import UnusableUrl, usable
from service.storage.users import MongoUserStore
from service.storage.watching import Commands, Connections, DriverWatcher, WatchBatch, unwatched

PREPARE_PAUSE_S = 1

logger = logging.getLogger(__name__)


class NoDatabase(Exception):
    """There is no MongoDB to use; the text says why, and what to do."""


def create_app(
    settings: Settings, *, demo: bool = False, metrics_folder: Path | None = None
) -> Starlette:
    """Return the service as an ASGI application; its lifespan opens and closes the parts.

    With `demo`, chats without a configured model get answers that say they are none.
    Processes that share a `metrics_folder` show the metrics of all.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with (
            aclosing(observer),
            open_database(settings, *observer.drivers) as database,
            _counting(counts, settings),
            model_for(settings, demo=demo) as model,
        ):
            store = store_in(database, settings, watch=observer.batch)
            app.state.sessions = sessions = observer.use_cases(Sessions(store))
            app.state.keys = observer.use_cases(Keys(sessions, store))
            app.state.windows = windows = EncodedWindows(
                sessions,
                max_bytes=settings.window_cache_bytes,
                max_age_s=settings.delete_grace_s,
            )
            chat = Chat(
                sessions,
                MeasuredModel(model) if model else None,
                SandboxedTemplates(),
                searches=settings.text_search,
            )
            app.state.chat = observer.use_cases(chat)
            app.state.users = observer.use_cases(Users(MongoUserStore(database), store))
            app.state.time_is_up = asyncio.get_running_loop().create_future()
            sampler = Sampler(store, windows, readiness)
            async with (
                upkeep(store, settings),
                background(readiness.watch(store)),
                background(sampler.run()),
            ):
                await readiness.check(store)
                yield
                await chat.close()
                await store.close()

    readiness, observer, counts = Readiness(), observer_for(settings), Counts()
    limits = rate_limits(settings.requests_per_minute, counts, settings.trusted_proxies)
    app = Starlette(
        routes=routes(limits),
        lifespan=lifespan,
        middleware=[
            Middleware(Measured, dialects=DIALECT_OF_PATH),
            *observer.middleware,
            *cross_origin(settings.cors_origins),
            Middleware(InFlightCap, max_requests=settings.max_requests_in_flight),
        ],
        exception_handlers=Fallbacks(DIALECT_OF_PATH).handlers,
    )
    app.router.redirect_slashes = False
    app.state.settings = settings
    app.state.readiness = readiness
    app.state.metrics_folder = metrics_folder
    app.state.authenticator = authenticator_for(settings, when_asked=count_key_set)
    app.state.started_s = time.monotonic()
    described = description(limits)
    app.state.openapi, app.state.docs_page = orjson.dumps(described), page(described)
    # Outside of all of Starlette's own, so that answers to our mistakes pass here, too.
    app.middleware_stack = StandardHeaders(
        LastAnswers(RequestLog(app.build_middleware_stack()), readiness)
    )
    return app


@asynccontextmanager
async def _counting(counts: Counts, settings: Settings) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        if settings.rate_limit_store == "mongodb" and settings.mongo_url:
            url = settings.mongo_url.get_secret_value()
            shared = counts.shared(url, settings.mongo_database, settings.mongo_timeout_s)
            await stack.enter_async_context(shared)
        yield


async def serve_on(
    listener: socket.socket,
    settings: Settings,
    *,
    when_listening: Callable[[], None],
    demo: bool = False,
    metrics_folder: Path | None = None,
) -> None:
    """Serve until a signal says to stop, and the requests under way have ended."""
    write_logs(settings.log_level)
    app = create_app(settings, demo=demo, metrics_folder=metrics_folder)
    server = Server(server_config(app, settings), when_listening, app)
    await server.serve(sockets=[listener])


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


@asynccontextmanager
async def upkeep(store: MongoSessionStore, settings: Settings) -> AsyncIterator[None]:
    """Prepare the store, at once if the database is there; sweep it from then on."""
    with suppress(StoreUnavailable):
        await store.prepare()
    async with background(_prepare_and_sweep(store, settings)):
        yield


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
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
        await _unless_away(measured_sweep(store, begun_before=utc_now() - grace))
        await asyncio.sleep(settings.sweep_interval_s)


async def _unless_away(call: Awaitable[Any]) -> None:
    try:
        await call
    except StoreUnavailable as error:
        logger.warning("upkeep waits: %s", error)
