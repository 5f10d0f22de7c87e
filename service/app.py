"""The only file that knows all the parts. It puts them together, opens and closes them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware

from config.settings import Settings
from service.api.cors import cross_origin
from service.api.deadlines import Deadlines
from service.api.docs_page import page
from service.api.fallbacks import Fallbacks
from service.api.headers import StandardHeaders
from service.api.in_flight import InFlight, InFlightCap
from service.api.middleware import Measured
from service.api.rate_limits import Counts, rate_limits
from service.api.request_log import RequestLog
from service.api.shedding import Shedding
from service.api.stopping import LastAnswers
from service.api.windows import EncodedWindows
from service.auth.configured import authenticator_for
from service.databases import database_name, open_database, store_in, url_for_clients
from service.descriptions import description
from service.domain.chat import Chat
from service.domain.keys import Keys
from service.domain.ports import ChatModel
from service.domain.sessions import Sessions
from service.domain.users import Users
from service.llm.configured import model_for
from service.llm.templates import SandboxedTemplates
from service.observability.health import Readiness
from service.observability.logs import write_logs
from service.observability.observer import Observer, observer_for
from service.observability.watching import (
    MeasuredModel,
    Sampler,
    count_key_set,
)
from service.routes import DIALECT_OF_PATH, routes
from service.server import Server, server_config
from service.storage.driver import Database
from service.storage.users import MongoUserStore
from service.upkeep import background, upkeep


def create_app(
    settings: Settings, *, demo: bool = False, metrics_folder: Path | None = None
) -> Starlette:
    """Return the service as an ASGI application; its lifespan opens and closes the parts.

    With `demo`, chats without a configured model get answers that say they are none.
    Processes that share a `metrics_folder` show the metrics of all.
    """
    readiness, observer, counts = Readiness(), observer_for(settings), Counts()
    in_flight = InFlight(settings.max_requests_in_flight)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with (
            aclosing(observer),
            open_database(settings, *observer.drivers) as database,
            _counting(counts, settings),
            model_for(settings, demo=demo) as model,
            _parts_on(database, model, observer, app),
        ):
            yield

    limits = rate_limits(settings.requests_per_minute, counts, settings.trusted_proxies)
    app = Starlette(
        routes=routes(limits),
        lifespan=lifespan,
        middleware=[
            Middleware(Measured, dialects=DIALECT_OF_PATH),
            *observer.middleware,
            *cross_origin(settings.cors_origins),
            Middleware(InFlightCap, in_flight=in_flight),
        ],
        exception_handlers=Fallbacks(DIALECT_OF_PATH).handlers,
    )
    app.router.redirect_slashes = False
    app.state.settings = settings
    app.state.readiness = readiness
    app.state.deadlines = Deadlines(settings.request_deadline_s, in_flight.learn)
    app.state.shedding = Shedding(in_flight, readiness)
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
async def _parts_on(
    database: Database, model: ChatModel | None, observer: Observer, app: Starlette
) -> AsyncIterator[None]:
    """Give the application its use cases; at the end, let what is under way come to its end."""
    settings, readiness = app.state.settings, app.state.readiness
    store = store_in(database, settings, watch=observer.batch)
    readiness.details = store.details
    app.state.sessions = sessions = observer.use_cases(Sessions(store))
    app.state.keys = observer.use_cases(Keys(sessions, store))
    app.state.windows = windows = EncodedWindows(
        sessions, max_bytes=settings.window_cache_bytes, max_age_s=settings.delete_grace_s
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
    async with (
        upkeep(store, settings),
        background(readiness.watch(store)),
        background(app.state.deadlines.watch()),
        background(Sampler(store, windows, readiness).run()),
    ):
        await readiness.check(store)
        yield
        await chat.close()
        await store.close()


@asynccontextmanager
async def _counting(counts: Counts, settings: Settings) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        url = url_for_clients(settings)
        if settings.rate_limit_store == "mongodb" and url:
            shared = counts.shared(url, database_name(settings), settings.mongo_timeout_s)
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
    server = Server(server_config(app, settings), listener, when_listening, app)
    await server.serve()
