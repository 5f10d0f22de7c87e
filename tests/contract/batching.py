"""Many concurrent appends, and the commands they cost."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from service.domain.models import Message, Session
from service.storage.append.append_log import AppendLog
from service.storage.indexes import HISTORY
from service.storage.mongo import MongoSessionStore
from tests.contract.building import ALICE, log_of, open_session, texts_of
from tests.storage.mongo_commands import Command

Appending = MongoSessionStore | AppendLog


async def open_sessions(store: MongoSessionStore, count: int, texts: str = "") -> list[Session]:
    return await asyncio.gather(*(open_session(store, texts) for _ in range(count)))


async def append_each(
    appending: Appending, sessions: Sequence[Session], sent: Sequence[Message]
) -> list[Any]:
    """Append each message to each session separately, but all concurrently."""
    return await asyncio.gather(
        *(appending.append(ALICE, session.id, [one]) for one in sent for session in sessions),
        return_exceptions=True,
    )


async def logs_of(store: MongoSessionStore, sessions: Sequence[Session]) -> list[str]:
    return [texts_of(await log_of(store, session)) for session in sessions]


def names_of(commands: Sequence[Command]) -> Counter[str]:
    return Counter(next(iter(command)) for command in commands)


def inserts_of(commands: Sequence[Command]) -> list[list[Command]]:
    """Return the entries of each insert into the logs."""
    return [command["documents"] for command in commands if command.get("insert") == HISTORY]
