"""Model ↔ document: every field name of the collections stands here once.

A head is `sessions {_id: session id, …}`, a message `history {_id: {s: session id, n: seq}, …}`:
its place is its identity, so the primary index is the log (decision 0002).

Free-form JSON of clients (metadata, tool calls, content parts) is kept as JSON text. It
comes back exactly as it was sent, and none of its keys can ever mean something to MongoDB.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from bson import Binary

from service.domain.access import Reach
from service.domain.models import Message, Preview, Role, Session, preview_of
from service.storage.driver import Document

LIVE: Document = {"deleting": None}


def to_head(session: Session) -> Document:
    head = {
        "_id": Binary.from_uuid(session.id),
        "user_id": session.user_id,
        "agent_id": session.agent_id,
        "key": session.key,
        "title": session.title,
        "metadata": _to_json_text(session.metadata),
        "max_context_results": session.max_context_results,
        "created_at": session.created_at,
        "last_active": session.last_active,
        "start": session.start,
        "end": session.end,
    }
    return _without_none(head)


def from_head(head: Document) -> Session:
    preview = head.get("preview")
    return Session.model_construct(
        id=head["_id"].as_uuid(),
        user_id=head["user_id"],
        agent_id=head["agent_id"],
        key=head.get("key"),
        title=head.get("title"),
        metadata=_from_json_text(head.get("metadata")),
        max_context_results=head["max_context_results"],
        created_at=_from_date(head["created_at"]),
        last_active=_from_date(head["last_active"]),
        start=head["start"],
        end=head["end"],
        preview=preview and Preview(**preview),
    )


def to_entry(session_id: UUID, message: Message) -> Document:
    """Return the document of a numbered message."""
    is_text = isinstance(message.content, str)
    entry = {
        "_id": entry_id(session_id, message.seq),
        "id": Binary.from_uuid(message.id),
        "role": message.role.value,
        "content": message.content if is_text else None,
        "parts": None if is_text else _to_json_text(message.content),
        "name": message.name,
        "tool_calls": _to_json_text(message.tool_calls),
        "tool_call_id": message.tool_call_id,
        "metadata": _to_json_text(message.metadata),
        "client_key": message.client_key,
        "created_at": message.created_at,
    }
    return _without_none(entry)


def from_entry(entry: Document) -> Message:
    content = entry.get("content")
    return Message.model_construct(
        seq=entry["_id"]["n"],
        id=entry["id"].as_uuid(),
        role=Role(entry["role"]),
        content=_from_json_text(entry.get("parts")) if content is None else content,
        name=entry.get("name"),
        tool_calls=_from_json_text(entry.get("tool_calls")),
        tool_call_id=entry.get("tool_call_id"),
        metadata=_from_json_text(entry.get("metadata")),
        client_key=entry.get("client_key"),
        created_at=_from_date(entry["created_at"]),
    )


def moved_head(last: Message) -> Document:
    """Return the update that makes a message the last one of its session."""
    return {
        "$set": {
            "end": last.seq,
            "last_active": last.created_at,
            "preview": preview_of(last).model_dump(mode="json"),
        }
    }


def entry_id(session_id: UUID, seq: int) -> Document:
    return {"s": Binary.from_uuid(session_id), "n": seq}


def in_log(session_id: UUID, seqs: range) -> Document:
    """Return the filter for a range of a log: one walk over the primary index.

    The session's id stands beside it because a sharded cluster routes by it.
    """
    return {
        "_id.s": Binary.from_uuid(session_id),
        "_id": {
            "$gte": entry_id(session_id, seqs.start),
            "$lt": entry_id(session_id, seqs.stop),
        },
    }


def with_keys(session_id: UUID, client_keys: list[str]) -> Document:
    return {"_id.s": Binary.from_uuid(session_id), "client_key": {"$in": client_keys}}


def head_of(session_id: UUID, reach: Reach) -> Document:
    """Return the filter for a live head in reach."""
    return {"_id": Binary.from_uuid(session_id), **LIVE, **_in_reach(reach)}


def _in_reach(reach: Reach) -> Document:
    if reach.user_id is None:
        return {}
    own = {"user_id": reach.user_id}
    if not reach.agent_ids:
        return own
    return {"$or": [own, {"agent_id": {"$in": sorted(reach.agent_ids)}}]}


def _without_none(document: Document) -> Document:
    return {field: value for field, value in document.items() if value is not None}


def _to_json_text(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _from_json_text(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _from_date(date: datetime) -> datetime:
    return date.replace(tzinfo=UTC)
