"""Traces: spans of what happens in the service, without the content of messages.

One short run is sent to a collector; each test looks at what the collector received.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple
from uuid import uuid4

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from service.observability.logs import TRACE_ID, JsonLines
from tests.api.asking import Api
from tests.observability.conftest import asking, running_app

CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLERS_SPAN = "b7ad6b7169203331"
CANARY = "no trace may show what was said"


class Run(NamedTuple):
    """What was done, and the spans it made."""

    session_id: str
    user_id: str
    create: httpx2.Response
    append: httpx2.Response
    continued: httpx2.Response
    listed: httpx2.Response
    refused: httpx2.Response
    spans: list[Span]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def of(self, answer: httpx2.Response) -> dict[str, Span]:
        trace_id = bytes.fromhex(answer.headers["x-trace-id"])
        return {span.name: span for span in self.spans if span.trace_id == trace_id}


@contextmanager
def collector(spans: list[Span]) -> Iterator[str]:
    """Run a collector that speaks OTLP over HTTP and keeps what it receives; give its URL.

    In its own thread, so that it responds even while the service under test is busy.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent = ExportTraceServiceRequest.FromString(body)
            scopes = (scope for resource in sent.resource_spans for scope in resource.scope_spans)
            spans.extend(span for scope in scopes for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/traces"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
async def run(mongo_url: str) -> Run:
    spans: list[Span] = []
    with collector(spans) as traces_url:
        async with running_app(mongo_url, traces_url=traces_url) as app, asking(app) as client:
            alice = Api(client, f"alice-{uuid4().hex}")
            create = await alice.ask("POST", "/create?agent_id=agent")
            session_id = create.json()["session_id"]
            await alice.ask("POST", "/user/", json={"external_id": alice.user_id})
            await alice.ask("GET", "/api/v1/sessions")
            listed = await alice.ask("GET", f"/get_all/{alice.user_id}")
            append = await alice.update(session_id, {"role": "user", "content": CANARY})
            continued = await alice.ask(
                "GET",
                f"/get/{session_id}",
                headers={"traceparent": f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01"},
            )
            refused = await alice.update(str(uuid4()), {"role": "user", "content": CANARY})
    return Run(session_id, alice.user_id, create, append, continued, listed, refused, spans)


def attributes(span: Span) -> dict[str, str | int]:
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


def test_a_request_is_a_span_named_by_the_template_of_its_path(run: Run) -> None:
    span = run.of(run.append)["POST /history/update/{session_id}"]

    assert span.kind == Span.SPAN_KIND_SERVER
    assert attributes(span) == {
        "http.request.method": "POST",
        "http.route": "/history/update/{session_id}",
        "http.response.status_code": 200,
    }


def test_a_use_case_is_a_span_within_that_of_its_request(run: Run) -> None:
    spans = run.of(run.append)

    request = spans["POST /history/update/{session_id}"]
    assert spans["Sessions.append"].parent_span_id == request.span_id


def test_a_batch_is_a_trace_of_its_own_linked_to_its_requests(run: Run) -> None:
    [batch] = [span for span in run.named("append batch") if is_linked(span, run.append)]

    assert batch.parent_span_id == b""
    assert attributes(batch) == {"requests": 1, "messages": 1}


@pytest.mark.parametrize(
    ("batch", "answer"),
    [("create batch", "create"), ("read heads batch", "continued"), ("list batch", "listed")],
)
def test_creates_reads_and_lists_are_linked_to_their_requests(
    run: Run, batch: str, answer: str
) -> None:
    asked: httpx2.Response = getattr(run, answer)

    linked = [span for span in run.named(batch) if is_linked(span, asked)]

    inside = {span.name for span in run.spans if span.parent_span_id == linked[0].span_id}
    assert inside in ({"mongodb insert"}, {"mongodb find"}, {"mongodb aggregate"})


def test_no_command_of_a_request_stands_alone(run: Run) -> None:
    alone = {span.name for span in run.spans if not span.parent_span_id}

    upkeep = {"mongodb createIndexes", "mongodb ping", "mongodb endSessions"}
    sweeps = {"mongodb find"}
    once = {"mongodb update": "confirming the election"}
    assert {name for name in alone if name.startswith("mongodb ")} <= upkeep | sweeps | once.keys()
    for name in once:
        assert len([span for span in run.named(name) if not span.parent_span_id]) == 1


def test_moves_of_heads_are_spans_of_their_own(run: Run) -> None:
    moves = run.named("move heads batch")

    inside = {s.name for move in moves for s in run.spans if s.parent_span_id == move.span_id}
    assert inside == {"mongodb update", "mongodb delete"}


@pytest.mark.parametrize("use_case", ["Users.get_or_create", "Keys.list_keys"])
def test_the_use_cases_of_every_part_are_spans(run: Run, use_case: str) -> None:
    assert run.named(use_case)


def is_linked(span: Span, answer: httpx2.Response) -> bool:
    return answer.headers["x-trace-id"] in {link.trace_id.hex() for link in span.links}


def test_commands_are_spans_within_that_of_their_batch(run: Run) -> None:
    [batch] = [span for span in run.named("append batch") if is_linked(span, run.append)]

    inside = {span.name for span in run.spans if span.parent_span_id == batch.span_id}

    assert inside == {"mongodb insert"}


def test_the_trace_of_the_caller_is_continued(run: Run) -> None:
    span = run.of(run.continued)["GET /get/{session_id}"]

    assert run.continued.headers["x-trace-id"] == CALLERS_TRACE == span.trace_id.hex()
    assert span.parent_span_id.hex() == CALLERS_SPAN


def test_only_the_kind_of_a_failure_is_recorded(run: Run) -> None:
    span = run.of(run.refused)["Sessions.append"]

    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span) == {"error.type": "SessionNotFound"}
    assert list(span.events) == []


def test_no_span_holds_what_was_said_or_by_whom(run: Run) -> None:
    shown = " ".join(map(str, run.spans))

    assert "mongodb insert" in shown
    assert CANARY not in shown
    assert run.session_id not in shown
    assert run.user_id not in shown


def test_a_log_line_names_its_trace() -> None:
    record = logging.makeLogRecord({"name": "service.test", "msg": "something happened"})

    line = copy_context().run(lambda: (TRACE_ID.set(CALLERS_TRACE), JsonLines().format(record))[1])

    assert json.loads(line)["trace_id"] == CALLERS_TRACE


async def test_without_a_collector_there_is_no_trace(client: httpx2.AsyncClient) -> None:
    TRACE_ID.set(None)

    answer = await client.get("/")

    assert "x-trace-id" not in answer.headers
    assert TRACE_ID.get() is None
