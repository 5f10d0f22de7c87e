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

# How many places after a known end are looked at, at the price of one read of an index each.
PLACES_AHEAD = 2
# In BSON, the type of the first field: the id of a head is binary, that of an entry a document.
_TYPE_OF_ID = 4
_IS_DOCUMENT = 3


class ExactHead(NamedTuple):
    stored: RawBSONDocument
    session: Session


class FoundHeads(NamedTuple):
    """The heads that are live, and the sessions whose log says they are deleted."""

    live: dict[UUID, ExactHead]
    fenced: set[UUID]


class _Tail(NamedTuple):
    """What is known of the end of a log: its last entry, and whether there may be more."""

    end: int
    entry: Document | None
    is_whole: bool

    @property
    def is_fence(self) -> bool:
        return self.entry is not None and documents.is_fence(self.entry)


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

        One call, unless a log went on for more than a little beyond what this process knows.
        """
        known = self._known.among(owners)
        known_s = now_s()
        pipeline = _heads_and_next_entries(owners, known)
        found = await self._reads.run(lambda: aggregated(self._sessions, pipeline))
        heads = [ExactHead(raw, decoded(raw)) for raw in found if not _is_entry(raw)]
        stored = {head.session.id: head for head in heads}
        next_entries = [bson.decode(raw.raw) for raw in found if _is_entry(raw)]
        ahead = {(session_of(entry), entry["_id"]["n"]): entry for entry in next_entries}
        tails = {id_: _tail(head, known.get(id_), ahead) for id_, (_, head) in stored.items()}
        unknown = {id_: tail.end for id_, tail in tails.items() if not tail.is_whole}
        for entry in await self._entries.after(unknown) if unknown else []:
            tails[session_of(entry)] = _Tail(documents.end_of(entry), entry, is_whole=True)
        fenced = {id_ for id_, tail in tails.items() if tail.is_fence}
        live = {
            id_: ExactHead(raw, _exact(head, known.get(id_), tails[id_].entry))
            for id_, (raw, head) in stored.items()
            if id_ not in fenced
        }
        for exact in live.values():
            self._known.put(KnownHead(exact.session, None, known_s))
        self._known.forget(id_ for id_ in owners if id_ not in live)
        return FoundHeads(live, fenced)


def _heads_and_next_entries(
    owners: Mapping[UUID, str | None], known: Mapping[UUID, KnownHead]
) -> list[Document]:
    """Return the pipeline that finds live heads, then the entries next to the known ends."""
    places = [
        documents.place(id_, head.end + ahead)
        for id_, head in known.items()
        for ahead in range(1, PLACES_AHEAD + 1)
    ]
    heads: Document = {"$match": documents.heads_of(owners)}
    if not places:
        return [heads]
    logs = [place["s"] for place in places[::PLACES_AHEAD]]
    entries = [{"$match": {"_id": {"$in": places}, "_id.s": {"$in": logs}}}]
    return [heads, {"$unionWith": {"coll": HISTORY, "pipeline": entries}}]


def _is_entry(found: RawBSONDocument) -> bool:
    return found.raw[_TYPE_OF_ID] == _IS_DOCUMENT


def _tail(
    head: Session, known: KnownHead | None, ahead: Mapping[tuple[UUID, int], Document]
) -> _Tail:
    """Return the end of a log by what the head says, and by the entries after the known end."""
    if known is None or known.end < head.end:
        return _Tail(head.end, None, is_whole=False)
    end, entry = known.end, None
    while following := ahead.get((head.id, end + 1)):
        end, entry = documents.end_of(following), following
    return _Tail(end, entry, is_whole=end < known.end + PLACES_AHEAD)


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
