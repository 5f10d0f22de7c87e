"""The only file that knows all the parts. It assembles, opens and closes them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send

from config.settings import Settings
from service.api import ops
from service.api.dialects import ALL
from service.api.kit.deadlines import Deadlines
from service.api.kit.dialect import Dialect
from service.api.kit.dispatch import Dispatch
from service.api.kit.parts import Parts, UseCases
from service.api.kit.rate_limits import RateLimits
from service.api.kit.router import Router, Routing
from service.api.kit.sse import KEEP_ALIVE_S
from service.api.kit.window_cache import EncodedWindows
from service.api.openapi.document import document
from service.auth.configured import authenticator_for
from service.auth.errors import ConfigurationError
from service.databases import database_name, open_database, store_in, url_for_clients
from service.domain.chat.chat import Chat
from service.domain.keys import Keys
from service.domain.ports import ChatModel, ServedStore, UserStore
from service.domain.sessions import Sessions
from service.domain.users import Users
from service.edge.compression import Compression
from service.edge.cors import cross_origin
from service.edge.draining import LastResponses
from service.edge.headers import StandardHeaders
from service.edge.in_flight import InFlight, InFlightCap
from service.edge.request_log import RequestLog
from service.edge.request_metrics import Measured
from service.edge.shedding import Shedding
from service.llm.configured import model_for
from service.llm.templates import SandboxedTemplates
from service.observability.configured import observer_for
from service.observability.health import Readiness
from service.observability.metrics import exposition
from service.observability.observer import Observer
from service.observability.watching import (
    MeasuredModel,
    Sampler,
    count_key_set,
)
from service.storage.rate_counts import RateCounts
from service.storage.users import MongoUserStore
from service.upkeep import background, upkeep

Stores = tuple[ServedStore, UserStore]
OpenStores = Callable[[Settings, Observer], AbstractAsyncContextManager[Stores]]


@asynccontextmanager
async def mongo_stores(settings: Settings, observer: Observer) -> AsyncIterator[Stores]:
    """Open the stores on MongoDB, which may be away, and come later."""
    async with open_database(settings, *observer.drivers) as database:
        yield store_in(database, settings, watch=observer.batch), MongoUserStore(database)


class SessionService:
    """The service as an ASGI application; its lifespan opens and closes the parts.

    With `demo`, chats without a configured model get responses that say they are not real.
    Processes that share a `metrics_folder` show the metrics of all. A stream that is silent for
    `keep_alive_s` sends a comment.

    Raises:
        ConfigurationError: a setting makes the service unsafe or impossible to run.
        TracingNotInstalled: traces are wanted, and their library is missing.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        demo: bool = False,
        metrics_folder: Path | None = None,
        dialects: Sequence[Dialect] = ALL,
        keep_alive_s: float = KEEP_ALIVE_S,
        open_stores: OpenStores = mongo_stores,
    ) -> None:
        self.settings = settings
        self._open_stores = open_stores
        self.readiness = Readiness()
        self._dialects = [*dialects, ops.DIALECT]
        self.router = Router(self._dialects)
        self._demo = demo
        self._observer = observer_for(settings)
        self._counts = RateCounts()
        in_flight = InFlight(settings.max_requests_in_flight)
        self.shedding = Shedding(in_flight, self.readiness, self.router)
        limits = rate_limits(settings, self._dialects, self._counts)
        self._starlette = self._application(in_flight, limits)
        self.parts = self._starlette.state.parts = self._parts(
            in_flight, limits, metrics_folder, keep_alive_s
        )
        # Outside all of Starlette's own, so that responses for our mistakes pass here, too.
        self._stack = StandardHeaders(
            LastResponses(RequestLog(self._starlette), self.readiness, self.router)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._stack(scope, receive, send)

    @property
    def use_cases(self) -> UseCases:
        """What the endpoints call during the lifespan."""
        found: UseCases = self._starlette.state.use_cases
        return found

    @use_cases.setter
    def use_cases(self, use_cases: UseCases) -> None:
        self._starlette.state.use_cases = use_cases

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Open the parts; at the end, let requests in flight finish, and close the parts."""
        settings = self.settings
        async with (
            aclosing(self._observer),
            self._open_stores(settings, self._observer) as (store, users),
            _counting(self._counts, settings),
            model_for(settings, demo=self._demo) as model,
            self._open_on(store, users, model),
        ):
            yield

    def end_long_responses(self) -> None:
        """End everything that waits for a model or a client: the time to stop is over."""
        self.use_cases.time_is_up.set_result(None)

    def _application(self, in_flight: InFlight, limits: Mapping[str, RateLimits]) -> Starlette:
        dispatch = Dispatch(self.router, limits)
        return Starlette(
            routes=[dispatch],
            lifespan=lambda _: self.lifespan(),
            middleware=[
                Middleware(Routing, router=self.router),
                Middleware(Measured),
                *self._observer.middleware,
                *cross_origin(self.settings.cors_origins),
                Middleware(Compression),
                Middleware(InFlightCap, in_flight=in_flight, router=self.router),
            ],
            exception_handlers={Exception: dispatch.unexpected},
        )

    def _parts(
        self,
        in_flight: InFlight,
        limits: Mapping[str, RateLimits],
        metrics_folder: Path | None,
        keep_alive_s: float,
    ) -> Parts:
        settings = self.settings
        has_own_port = settings.metrics_port is not None
        return Parts(
            authenticator=authenticator_for(settings, on_fetch=count_key_set),
            deadlines=Deadlines(settings.request_deadline_s, in_flight.learn),
            readiness=self.readiness,
            metrics=None if has_own_port else partial(exposition, metrics_folder),
            max_body_bytes=settings.max_body_bytes,
            keep_alive_s=keep_alive_s,
            mounts={d.name: [mount or "/" for mount in d.mounts] for d in self._dialects},
            openapi=orjson.dumps(document(self._dialects, limits)),
            started_s=time.monotonic(),
        )

    @asynccontextmanager
    async def _open_on(
        self, store: ServedStore, users: UserStore, model: ChatModel | None
    ) -> AsyncIterator[None]:
        settings, observer = self.settings, self._observer
        self.readiness.details = store.details
        sessions = observer.use_cases(Sessions(store))
        chat = Chat(
            sessions,
            MeasuredModel(model) if model else None,
            SandboxedTemplates(),
            searches=settings.text_search,
        )
        windows = EncodedWindows(
            sessions, max_bytes=settings.window_cache_bytes, max_age_s=settings.delete_grace_s
        )
        self.use_cases = UseCases(
            sessions=sessions,
            keys=observer.use_cases(Keys(sessions, store)),
            chat=observer.use_cases(chat),
            users=observer.use_cases(Users(users, store)),
            windows=windows,
            time_is_up=asyncio.get_running_loop().create_future(),
        )
        async with (
            upkeep(store, settings),
            background(self.readiness.watch(store)),
            background(self.parts.deadlines.watch()),
            background(Sampler(store, windows, self.readiness).run()),
        ):
            await self.readiness.check(store)
            yield
            await chat.close()
            await store.close()


def rate_limits(
    settings: Settings, dialects: Sequence[Dialect], counts: RateCounts
) -> dict[str, RateLimits]:
    """Return the limits of the dialects that have one, from a setting or by default.

    Raises:
        ConfigurationError: a setting names a dialect that does not exist.
    """
    given = settings.requests_per_minute
    names = [dialect.name for dialect in dialects]
    for name in given:
        if name not in names:
            raise ConfigurationError(
                "SESSIONS_REQUESTS_PER_MINUTE",
                f"there is no dialect '{name}'; the dialects are {', '.join(names)}.",
            )
    numbers = {d.name: given.get(d.name, d.requests_per_minute) for d in dialects}
    return {
        name: RateLimits(name, number, counts, settings.trusted_proxies)
        for name, number in numbers.items()
        if number is not None
    }


@asynccontextmanager
async def _counting(counts: RateCounts, settings: Settings) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        url = url_for_clients(settings)
        if settings.rate_limit_store == "mongodb" and url:
            shared = counts.shared(url, database_name(settings), settings.mongo_timeout_s)
            await stack.enter_async_context(shared)
        yield
