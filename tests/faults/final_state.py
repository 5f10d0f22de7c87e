"""The whole store at rest, as the service shows it and as MongoDB stores it.

    state = await read_final_state(url, mongo_url, database, history)

Read it after the load has ended and the faults are over: it waits for the sweeper to finish, and
retries while the service is still recovering, both for a bounded time.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from pydantic import TypeAdapter
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from service.domain.models import Preview, preview_of
from service.storage.documents import from_head, is_fence, is_note, messages_in
from service.storage.indexes import HISTORY, SESSIONS
from tests.faults.bodies import hash_of
from tests.faults.client import token_of
from tests.faults.history import Dialect, History, Kind, Seen
from tests.faults.wire import Answer, NoAnswer, NotSent, Server

PAGE = 1000
AT_ONCE = 8
SWEPT_WITHIN_S = 90
ANSWERED_WITHIN_S = 60
DEADLINE_S = 30
FOLLOWED_WITHIN_S = 5
PAUSE_S = 0.2

Document = dict[str, Any]


class StoredHead(NamedTuple):
    """A head as stored in `sessions`, even if it is marked as deleted."""

    owner: str
    start: int
    end: int
    created_at: datetime
    last_active: datetime
    preview: Preview | None
    is_deleted: bool


class StoredEntry(NamedTuple):
    """A message as stored in `history`; `preview` is what its head must show if it is last."""

    seq: int
    body: str
    key: str | None
    created_at: datetime
    preview: Preview


class Served(NamedTuple):
    """A session as the native dialect shows it to its owner: the head, and all of the log."""

    message_count: int
    last_active: datetime
    preview: Preview | None
    log: tuple[Seen, ...]


@dataclass
class FinalState:
    """What is stored: heads and entries by session, including entries without a head.

    `notes` is how many are not paid. `gone` holds each dialect's status for every session the
    service does not show.
    """

    served: dict[str, Served] = field(default_factory=dict)
    gone: dict[str, dict[Dialect, int]] = field(default_factory=dict)
    heads: dict[str, StoredHead] = field(default_factory=dict)
    entries: dict[str, list[StoredEntry]] = field(default_factory=dict)
    notes: int = 0

    def save(self, path: Path) -> None:
        path.write_bytes(_STATE.dump_json(self))


_STATE = TypeAdapter(FinalState)


def load_state(path: Path) -> FinalState:
    return _STATE.validate_json(path.read_bytes())


async def read_final_state(
    url: str,
    mongo_url: str,
    database: str,
    history: History,
    *,
    swept_within_s: float = SWEPT_WITHIN_S,
) -> FinalState:
    """Read everything: what the history names, and what else is stored."""
    state = FinalState()
    async with AsyncMongoClient[Document](mongo_url) as client:
        await _until_swept(client[database], swept_within_s)
        await _until_followed(client[database])
        await _read_stored(client[database], state)
    owners = {op.session: op.user for op in history.of_kind(Kind.CREATE) if op.session}
    owners |= {session: head.owner for session, head in state.heads.items()}
    server, slots = Server(url), asyncio.Semaphore(AT_ONCE)

    async def read(session: str, owner: str) -> None:
        async with slots:
            await _read_served(server, session, owner, state)

    try:
        await asyncio.gather(*(read(*named) for named in owners.items()))
    finally:
        server.close()
    return state


# MongoDB


async def _until_swept(database: AsyncDatabase[Document], within_s: float) -> None:
    """Return when no delete or clear is unfinished, or time is up: the checker will report it."""
    unfinished = {"sweep_from": {"$exists": True}}
    for _ in range(int(within_s / PAUSE_S)):
        if not await database[SESSIONS].find_one(unfinished):
            return
        await asyncio.sleep(PAUSE_S)


async def _until_followed(database: AsyncDatabase[Document]) -> None:
    """Return when no head is behind its log, or time is up: the checker will report it."""
    for _ in range(int(FOLLOWED_WITHIN_S / PAUSE_S)):
        if not await database[HISTORY].find_one({"owed": {"$exists": True}}):
            return
        await asyncio.sleep(PAUSE_S)


async def _read_stored(database: AsyncDatabase[Document], state: FinalState) -> None:
    async for document in database[SESSIONS].find():
        head = from_head(document)
        state.heads[str(head.id)] = StoredHead(
            owner=head.user_id,
            start=head.start,
            end=head.end,
            created_at=head.created_at,
            last_active=head.last_active,
            preview=head.preview,
            is_deleted="deleting" in document,
        )
    async for document in database[HISTORY].find().sort("_id"):
        if is_note(document):
            state.notes += 1
            continue
        entries = state.entries.setdefault(str(document["_id"]["s"].as_uuid()), [])
        if is_fence(document):
            continue
        entries += [
            StoredEntry(
                seq=message.seq,
                body=hash_of(message.content),
                key=message.client_key,
                created_at=message.created_at,
                preview=preview_of(message),
            )
            for message in messages_in(document)
        ]


# The service


async def _read_served(server: Server, session: str, owner: str, state: FinalState) -> None:
    answer = await _get(server, owner, f"/get/{session}?limit=1")
    if answer.status != 200:
        state.gone[session] = {
            dialect: (await _get(server, owner, path)).status for dialect, path in _paths(session)
        }
        return
    head = orjson.loads(answer.body)["data"]
    preview = head.get("preview")
    state.served[session] = Served(
        message_count=head["message_count"],
        last_active=datetime.fromisoformat(head["last_active"]),
        preview=preview and Preview(**preview),
        log=await _read_log(server, session, owner),
    )


async def _read_log(server: Server, session: str, owner: str) -> tuple[Seen, ...]:
    log: list[Seen] = []
    for skip in count(0, PAGE):
        path = f"/history/{session}?limit={PAGE}&skip={skip}&include=seq"
        page = orjson.loads((await _get(server, owner, path)).body)["data"]
        log += (Seen(hash_of(message["content"]), message["seq"]) for message in page)
        if len(page) < PAGE:
            break
    return tuple(log)


def _paths(session: str) -> Iterator[tuple[Dialect, str]]:
    yield Dialect.NATIVE, f"/history/{session}"
    yield Dialect.PYSPUR, f"/session/{session}/"
    yield Dialect.KEYED, f"/api/v1/sessions/{quote(f'id:{session}')}"
    yield Dialect.JULEP, f"/sessions/{session}"


async def _get(server: Server, owner: str, path: str) -> Answer:
    """Return the first response that is not about the service's own state."""
    request = (
        f"GET {path} HTTP/1.1\r\nhost: {server.authority}\r\n"
        f"authorization: Bearer {token_of(owner)}\r\n\r\n"
    )
    async with asyncio.timeout(ANSWERED_WITHIN_S):
        while True:
            with suppress(NotSent, NoAnswer):
                answer = await server.ask(request.encode(), deadline_s=DEADLINE_S)
                if answer.status < 500:
                    return answer
            await asyncio.sleep(PAUSE_S)
