"""Heads with the ends their logs have: a stored head lags behind its log (decision 0028)."""

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

import bson
from bson.raw_bson import RawBSONDocument

from service.domain.models import Session
from service.storage import documents
from service.storage.decoded_heads import decoded
from service.storage.driver import Database, Document, aggregated, undecoded
from service.storage.entries import Entries, session_of
from service.storage.indexes import HISTORY, SESSIONS
from service.storage.known_heads import KnownHead, KnownHeads, now_s, showing
from service.storage.reads import Reads

# How old a known head may get before a read makes it younger.
REFRESH_S = 1
# In BSON, the type of the first field: the id of a head is binary, that of an entry a document.
_TYPE_OF_ID = 4
_IS_DOCUMENT = 3


class ExactHead(NamedTuple):
    stored: RawBSONDocument
    session: Session


class FoundHeads(NamedTuple):
    """The heads that are live, those of them that are closing, and the sessions with a fence."""

    live: dict[UUID, ExactHead]
    closing: set[UUID]
    fenced: set[UUID]


class ExactHeads:
    def __init__(
        self, database: Database, entries: Entries, reads: Reads, known: KnownHeads
    ) -> None:
        self._sessions = undecoded(database, SESSIONS)
        self._entries = entries
        self._reads = reads
        self._known = known

    async def find(self, owners: Mapping[UUID, str | None]) -> FoundHeads:
        """Return these heads, each with the end of its log.

        One call, unless a log goes on beyond what this process knows of it.
        """
        known = self._known.among(owners)
        known_s = now_s()
        pipeline = _heads_and_next_places(owners, known)
        found = await self._reads.run(lambda: aggregated(self._sessions, pipeline))
        stored = [ExactHead(raw, decoded(raw)) for raw in found if not _is_place(raw)]
        goes_on = {session_of(bson.decode(raw.raw)) for raw in found if _is_place(raw)}
        unsure = {}
        for _, head in stored:
            hint = known.get(head.id)
            if hint is None or hint.end < head.end:
                unsure[head.id] = head.end
            elif head.id in goes_on:
                unsure[head.id] = hint.end
        entries = await self._entries.after(unsure) if unsure else []
        last = {session_of(entry): entry for entry in entries}
        fenced = {id_ for id_, entry in last.items() if documents.is_fence(entry)}
        live = {}
        closing = set()
        for raw, head in stored:
            if head.id in fenced:
                continue
            hint = known.get(head.id)
            exact = _exact(head, hint, last.get(head.id))
            live[exact.id] = ExactHead(raw, exact)
            if _is_closing(raw):
                closing.add(exact.id)
            elif hint is None or hint.end < exact.end or hint.known_s + REFRESH_S < known_s:
                self._known.put(KnownHead(exact, None, known_s))
        self._known.forget(id_ for id_ in owners if id_ not in live or id_ in closing)
        return FoundHeads(live, closing, fenced)


def _heads_and_next_places(
    owners: Mapping[UUID, str | None], known: Mapping[UUID, KnownHead]
) -> list[Document]:
    """Return the pipeline that finds live heads, then the places next to known ends if taken."""
    heads: Document = {"$match": documents.heads_of(owners)}
    places = [documents.place(id_, head.end + 1) for id_, head in known.items()]
    if not places:
        return [heads]
    taken = [{"$match": documents.entries_at(places)}, {"$project": {"_id": True}}]
    return [heads, {"$unionWith": {"coll": HISTORY, "pipeline": taken}}]


def _is_closing(head: RawBSONDocument) -> bool:
    # Looking at the bytes first takes a hundredth of decoding them.
    return b"closing" in head.raw and "closing" in head


def _is_place(found: RawBSONDocument) -> bool:
    return found.raw[_TYPE_OF_ID] == _IS_DOCUMENT


def _exact(head: Session, known: KnownHead | None, entry: Document | None) -> Session:
    if entry is not None:
        return showing(head, documents.messages_in(entry)[-1])
    if known is None or known.end <= head.end:
        return head
    ahead = known.shown()
    return head.model_copy(
        update={
            "end": ahead.end,
            "preview": ahead.preview,
            "last_active": max(head.last_active, ahead.last_active),
        }
    )
