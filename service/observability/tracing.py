"""Traces: a span for each request, use case, batch of appends and command of the driver.

No span holds an id of a user or session, a path, or any text of a conversation.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, cast

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    format_trace_id,
    get_current_span,
)
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import service
from service.observability.logs import TRACE_ID
from service.observability.observer import Observer, Part
from service.signals import Batch, template_in

EXPORT_TIMEOUT_S = 5
SERVER_ERROR = 500
FAILED = Status(StatusCode.ERROR)


def exporter_to(url: str) -> SpanExporter:
    return OTLPSpanExporter(url, timeout=EXPORT_TIMEOUT_S)


class Tracing(Observer):
    """Makes metrics, and traces."""

    def __init__(self, exporter: SpanExporter) -> None:
        super().__init__()
        names = {"service.name": "session-service", "service.version": service.__version__}
        self._provider = TracerProvider(resource=Resource(names), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("session-service")
        self.drivers.append(TracedDriver(self._tracer))
        self.middleware.append(Middleware(TracedRequests, tracer=self._tracer))

    def batch(self, batch: Batch) -> AbstractContextManager[None]:
        return _both(super().batch(batch), self._batch_span(batch))

    def use_cases(self, part: Part) -> Part:
        return cast("Part", _TracedUseCases(part, self._tracer))

    async def aclose(self) -> None:
        await asyncio.to_thread(self._provider.shutdown)

    @contextmanager
    def _batch_span(self, batch: Batch) -> Iterator[None]:
        askers = [asker.run(get_current_span).get_span_context() for asker in batch.askers]
        links = [Link(asker) for asker in askers if asker.is_valid]
        attributes = {"requests": len(batch.askers), "messages": batch.messages}
        # The root of a trace: a batch belongs to all its requests, not to one of them.
        with (
            self._tracer.start_as_current_span(
                f"{batch.kind} batch",
                context=Context(),
                links=links,
                attributes=attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
            _failing(span),
        ):
            yield


class TracedRequests:
    """A span for each request, named by its path's template; responses carry the trace's id."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._tracer.start_as_current_span(
            "request",
            context=extract(Headers(scope=scope)),
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            trace_id = format_trace_id(span.get_span_context().trace_id)
            TRACE_ID.set(trace_id)

            async def send_with_id(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message)["X-Trace-Id"] = trace_id
                    _describe_answer(span, message["status"])
                await send(message)

            try:
                with _failing(span):
                    await self._app(scope, receive, send_with_id)
            finally:
                _describe_request(span, scope)


class TracedDriver:
    """A span for each command, made when it has ended, inside the span that was active."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def command_ended(self, name: str, duration_s: float, *, failed: bool) -> None:
        began_ns = time.time_ns() - int(duration_s * 1e9)
        span = self._tracer.start_span(f"mongodb {name}", kind=SpanKind.CLIENT, start_time=began_ns)
        if failed:
            span.set_status(FAILED)
        span.end()

    def connections_changed(self, *, idle: int = 0, in_use: int = 0) -> None:
        pass


class _TracedUseCases:
    """Stands in for a part of the domain: each of its coroutines is a span."""

    def __init__(self, part: object, tracer: Tracer) -> None:
        self._part = part
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if not iscoroutinefunction(found):
            return found
        traced = self._traced(found, f"{type(self._part).__name__}.{name}")
        setattr(self, name, traced)
        return traced

    def _traced(self, use_case: Callable[..., Any], name: str) -> Callable[..., Any]:
        @wraps(use_case)
        async def in_span(*args: Any, **kwargs: Any) -> Any:
            with (
                self._tracer.start_as_current_span(
                    name, record_exception=False, set_status_on_exception=False
                ) as span,
                _failing(span),
            ):
                return await use_case(*args, **kwargs)

        return in_span


@contextmanager
def _failing(span: Span) -> Iterator[None]:
    """Note only the kind of an error: its text may hold parts of a conversation."""
    try:
        yield
    except Exception as error:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(FAILED)
        raise


@contextmanager
def _both(
    outer: AbstractContextManager[None], inner: AbstractContextManager[None]
) -> Iterator[None]:
    with outer, inner:
        yield


def _describe_answer(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= SERVER_ERROR:
        span.set_status(FAILED)


def _describe_request(span: Span, scope: Scope) -> None:
    path = template_in(scope) or "none"
    span.update_name(f"{scope['method']} {path}")
    span.set_attribute("http.request.method", scope["method"])
    span.set_attribute("http.route", path)
