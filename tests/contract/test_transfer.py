"""Conversations in and out of a store, while others change it."""

import json
from uuid import UUID

from service.domain.access import Reach
from service.domain.models import Message, Session
from service.domain.sessions import emptied
from service.domain.transfer.transfer import PAGE, Transfer
from service.domain.window import Window
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from service.storage.users import MongoUserStore
from tests.contract.building import ALICE, message, open_session


async def test_a_log_cleared_during_its_export_is_not_mixed_with_later_messages(
    store: MongoSessionStore, database: Database
) -> None:
    session = await open_session(store)
    before = [message(f"before {n}") for n in range(PAGE + 50)]
    await store.append(ALICE, session.id, before)
    written: list[str] = []

    transfer = Transfer(EmptiedAfterOneRead(store), MongoUserStore(database))
    count = await transfer.write_line(session.id, written.append)

    contents = [m["content"] for m in json.loads("".join(written))["messages"]]
    assert contents == [f"before {n}" for n in range(PAGE)]
    assert count == PAGE


class EmptiedAfterOneRead(MongoSessionStore):
    """A store whose session is cleared, and filled again, after the first page is read."""

    def __init__(self, store: MongoSessionStore) -> None:
        self.__dict__ = store.__dict__
        self._is_emptied = False

    async def read(
        self, reach: Reach, session_id: UUID, window: Window
    ) -> tuple[Session, list[Message]]:
        page = await super().read(reach, session_id, window)
        if not self._is_emptied:
            self._is_emptied = True
            await self.update(ALICE, session_id, emptied)
            after = [message(f"after {n}") for n in range(PAGE + 20)]
            await self.append(ALICE, session_id, after)
        return page
