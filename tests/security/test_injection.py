"""Nothing a client sends becomes a key or an operator of a command; a listener is the witness.

The commands sent for honest values show which keys are allowed, and where.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple, get_args
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx2
import pytest
from pydantic import BaseModel

from config.settings import Settings
from service.api.kit.parts import UseCases
from service.api.kit.window_cache import EncodedWindows
from service.app import SessionService
from service.databases import store_in
from service.domain.chat.chat import Chat
from service.domain.keys import Keys
from service.domain.sessions import Sessions
from service.domain.users import Users
from service.llm.configured import model_for
from service.llm.templates import SandboxedTemplates
from service.storage.users import MongoUserStore
from tests.api.asking import SECRET, Api
from tests.databases import connected, fresh_database
from tests.rows import ROWS, Row
from tests.security.payloads import payloads
from tests.storage.mongo_commands import SentCommands

PAYLOADS = payloads()
# Each parameter gets every eighth payload, the next one starts one later: together all of them.
# INJECTION_STRIDE=1 gives all payloads to each, which takes some minutes.
STRIDE = int(os.environ.get("INJECTION_STRIDE", "8"))
# One mount of each dialect: the others have the same endpoints.
TARGETS = list({row.endpoint: row for row in reversed(ROWS) if not row.endpoint.open}.values())
HONEST = (
    "x",
    "1",
    "2000",
    "{}",
    '{"a": 1}',
    "user",
    "created_at",
    1,
    True,
    "Hello",
    {"a": 1},
    None,
)
HONEST_LISTS = ([{"type": "text", "text": "Hello"}], ["x"], [{"role": "user", "content": "Hello"}])
TOOLS = [{"type": "function", "function": {"name": "search"}}]
GOOD_BODIES: dict[str, dict[str, Any]] = {
    "/history/update/{session_id}": {"role": "user", "content": "Hello"},
    "/update/{session_id}": {"title": "Hello"},
    "/history/append/{session_id}": {"messages": [{"role": "user", "content": "Hello"}]},
    "/chat/{session_id}": {"content": "Hello"},
    "/session/": {"user_id": "{owner}", "workflow_id": "a"},
    "/user/": {"external_id": "{owner}"},
    "/api/v1/chat": {"message": "Hello", "session_key": "{key}"},
    "/api/v1/chat/stream": {"message": "Hello", "session_key": "{key}"},
    "/sessions": {"agent_id": "a"},
    "/sessions/{session_id:uuid}/messages": {"role": "user", "content": "Hello"},
    "/sessions/{session_id:uuid}/chat": {"messages": [{"role": "user", "content": "Hello"}]},
}
# What surrounds a payload deeper in a body; where the body has a list, this has one too.
GOOD_INNER: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Hello"}],
    "tools": TOOLS,
    "tool_choice": TOOLS[0],
    "function": {"name": "search"},
    "response_format": {"type": "text"},
}
GOOD_QUERIES = {"/create": {"agent_id": "a"}, "/session/test/": {"workflow_id": "a"}}


class Place(NamedTuple):
    """A parameter of an endpoint, where an attacker can put a payload."""

    row: Row
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.row.method} {self.row.path} {self.kind} {self.name}"


def places() -> Iterator[Place]:
    for row in TARGETS:
        described = row.endpoint
        for part in row.path.split("{")[1:]:
            yield Place(row, "path", part.partition("}")[0])
        for name in described.query.model_fields if described.query else ():
            yield Place(row, "query", name)
        if described.body:
            yield from (Place(row, "body", path) for path in fields_of(described.body))
            yield Place(row, "body", "a field nobody knows")
            yield Place(row, "header", "Idempotency-Key")


def fields_of(shape: type[BaseModel], above: str = "") -> Iterator[str]:
    """Yield the fields of a shape, and those of nested shapes after a dot."""
    for name, field in shape.model_fields.items():
        path = f"{above}{field.alias or name}"
        yield path
        for inner in shapes_in(field.annotation):
            yield from fields_of(inner, f"{path}.")


def shapes_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from shapes_in(part)


def placed(good: dict[str, Any], path: str, payload: Any) -> dict[str, Any]:
    """Return the object with the payload at this path."""
    name, _, rest = path.partition(".")
    if not rest:
        return {**good, name: payload}
    inner = GOOD_INNER[name]
    if isinstance(inner, list):
        return {**good, name: [placed(inner[0], rest, payload)]}
    return {**good, name: placed(inner, rest, payload)}


class Target:
    """A service whose commands are recorded, with a session to attack."""

    def __init__(self, client: httpx2.AsyncClient, commands: SentCommands) -> None:
        self.owner = Api(client, f"owner-{uuid4().hex}")
        self.key = f"key-{uuid4().hex}"
        self.commands = commands
        self.session_id = ""
        self.known: set[str] = set()

    async def prepare(self) -> None:
        for place in places():
            await self.renew()
            for honest in (*HONEST, *HONEST_LISTS, TOOLS, self.session_id, self.owner.user_id):
                await self.put(place, honest)
        self.known = self.said()

    async def renew(self) -> None:
        """Create the session again: earlier requests may have deleted it."""
        await self.owner.ask("DELETE", f"/user/{self.owner.user_id}/")
        await self.owner.ask("POST", "/user/", json={"external_id": self.owner.user_id})
        self.session_id = await self.owner.create(key=f"{self.key}-{uuid4().hex}")

    async def put(self, place: Place, payload: Any) -> int:
        """Send a request that is valid except for the payload; return the status."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        path = self._filled(self._with_payload(place, text))
        query = dict(GOOD_QUERIES.get(place.row.path, {}))
        body: dict[str, Any] = json.loads(
            self._filled(json.dumps(GOOD_BODIES.get(place.row.path, {})))
        )
        if place.kind == "query":
            # Some frameworks turn the second form into an object.
            query |= {place.name: text, f"{place.name}[$ne]": text}
        if place.kind == "body":
            body = placed(body, place.name, payload)
        headers = {b"Content-Type": b"application/json"}
        if place.kind == "header":
            headers[place.name.encode()] = text.encode(errors="replace")
        answer = await self.owner.ask(
            place.row.method,
            f"{path}?{urlencode(query)}",
            content=json.dumps(body) if place.row.endpoint.body else None,
            headers=headers,
        )
        return answer.status_code

    def said(self) -> set[str]:
        """Return the paths of all keys in the commands sent since the last call."""
        return {path for command in self.commands.take() for path in paths_of(command)}

    @staticmethod
    def _with_payload(place: Place, text: str) -> str:
        if place.kind != "path":
            return place.row.path
        return place.row.path.replace(f"{{{place.name}}}", quote(text or "x", safe=""))

    def _filled(self, template: str) -> str:
        for name, value in {
            "{session_id}": self.session_id,
            "{session_id:uuid}": self.session_id,
            "{user_id:path}": self.owner.user_id,
            "{owner}": self.owner.user_id,
            "{agent_id:path}": "a",
            "{key:path}": self.key,
            "{key}": self.key,
        }.items():
            template = template.replace(name, value)
        return template


def paths_of(command: dict[str, Any]) -> Iterator[str]:
    """Yield the path of each key in a command, at any depth."""
    kind = next(iter(command))
    below: list[tuple[str, Any]] = [(kind, command)]
    while below:
        path, value = below.pop()
        if isinstance(value, dict):
            yield from (f"{path} {key}" for key in value)
            below += [(f"{path} {key}", inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            below += [(path, inner) for inner in value]


@pytest.fixture(scope="module")
async def target(mongo_url: str) -> AsyncIterator[Target]:
    settings = Settings(_env_file=None, jwt_secret=SECRET, requests_per_minute={"keyed": 1_000_000})
    app = SessionService(settings)
    commands = SentCommands()
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with (
        connected("pymongo", mongo_url, event_listeners=[commands]) as server,
        fresh_database(server) as database,
        model_for(settings, demo=True) as model,
        httpx2.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        store = store_in(database, settings)
        await store.prepare()
        sessions = Sessions(store)
        app.use_cases = UseCases(
            sessions=sessions,
            keys=Keys(sessions, store),
            windows=EncodedWindows(sessions, max_bytes=0, max_age_s=1),
            chat=Chat(sessions, model, SandboxedTemplates()),
            users=Users(MongoUserStore(database), store),
            time_is_up=asyncio.get_running_loop().create_future(),
        )
        target = Target(client, commands)
        await target.prepare()
        yield target


def test_there_are_at_least_200_different_payloads() -> None:
    count = len({repr(payload) for payload in PAYLOADS})

    asked = sum(len(PAYLOADS[n % STRIDE :: STRIDE]) for n, _ in enumerate(places()))
    print(f"{count} payloads, {len(list(places()))} places, {asked} requests")  # noqa: T201  For -s.
    assert count >= 200


async def test_the_witness_sees_the_operators_of_honest_requests(target: Target) -> None:
    operators = {path.rpartition(" ")[2] for path in target.known if " $" in path}

    assert {"$in", "$set", "$gte"} <= operators
    assert not {"$where", "$ne", "$expr", "$regex", "$function"} & operators


@pytest.mark.no_cover
@pytest.mark.parametrize(("number", "place"), list(enumerate(places())), ids=str)
async def test_no_payload_becomes_a_key_of_a_command(
    target: Target, number: int, place: Place
) -> None:
    sample = PAYLOADS[number % STRIDE :: STRIDE]
    await target.renew()
    target.known |= target.said()

    statuses = {repr(payload)[:80]: await target.put(place, payload) for payload in sample}

    assert target.said() - target.known == set()
    assert {what: status for what, status in statuses.items() if status >= 500} == {}
