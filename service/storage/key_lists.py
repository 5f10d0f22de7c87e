"""Lists of keys. Of each head only its key and its id are read, along an index."""

from uuid import UUID

from bson import Binary

from service.domain.session_key import KeySelection, SessionKey, ids_called, key_text
from service.storage.documents import LIVE
from service.storage.driver import Collection, Document
from service.storage.indexes import KEY_INDEX, KEYLESS_INDEX
from service.storage.reads import Reads

LAST_CHARACTER = "\U0010ffff"
# Surrogates are no characters: no text that is stored holds one.
FIRST_SURROGATE, AFTER_SURROGATES = "\ud800", "\ue000"


class KeyLists:
    def __init__(self, sessions: Collection, reads: Reads) -> None:
        self._reads = reads
        self._sessions = sessions

    async def first(self, of: KeySelection, limit: int) -> list[SessionKey]:
        """Return the first keys of the selection, ascending by code point."""
        heads = await self._find(_with_key(of), KEY_INDEX, "key", limit)
        if ids := ids_called(of.prefix):
            heads += await self._find(_without_key(of, *ids), KEYLESS_INDEX, "_id", limit)
        return sorted(map(_from_head, heads))[:limit]

    async def _find(
        self, selected: Document, index: str, sort_by: str, limit: int
    ) -> list[Document]:
        return await self._reads.run(
            lambda: (
                self._sessions.find(selected, {"key": 1}, sort=[(sort_by, 1)], limit=limit)
                .hint(index)
                .to_list()
            )
        )


def _from_head(head: Document) -> SessionKey:
    session_id = head["_id"].as_uuid()
    return SessionKey(key_text(session_id, head.get("key")), session_id)


def _with_key(of: KeySelection) -> Document:
    """Return the filter for the selected heads that have a key of their own."""
    after_all = _after_all_with(of.prefix)
    return _selected(of) | {
        "key": {"$gte": of.prefix} | ({"$lt": after_all} if after_all else {}),
    }


def _without_key(of: KeySelection, least: UUID, greatest: UUID) -> Document:
    """Return the filter for the selected heads that have none, with ids in this range."""
    return _selected(of) | {
        "key": None,
        "_id": {"$gte": Binary.from_uuid(least), "$lte": Binary.from_uuid(greatest)},
    }


def _selected(of: KeySelection) -> Document:
    age = {"created_at": {"$lt": of.created_before}} if of.created_before else {}
    return {"user_id": of.user_id, **LIVE, **age}


def _after_all_with(prefix: str) -> str | None:
    """Return the least text greater than all that begin with the prefix, if there is one."""
    kept = prefix.rstrip(LAST_CHARACTER)
    if not kept:
        return None
    following = chr(ord(kept[-1]) + 1)
    return kept[:-1] + (AFTER_SURROGATES if following == FIRST_SURROGATE else following)
