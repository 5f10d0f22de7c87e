"""Model ↔ document: every field name of the collections stands here once.

A head is `sessions {_id: session id, …}`, a message `history {_id: {s: session id, n: seq}, …}`:
its place is its identity, so the primary index is the log (decision 0002).

Free-form JSON of clients (metadata, tool calls, content parts) is kept as JSON text. It
comes back exactly as it was sent, and none of its keys can ever mean something to MongoDB.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from bson import Binary

from service.domain.access import Reach
from service.domain.models import (
    ContextOverflow,
    JsonObject,
    Message,
    Preview,
    Role,
    Selection,
    Session,
    Usage,
    preview_of,
    utc_now,
)
from service.storage.driver import Document

LIVE: Document = {"deleting": None}
# Shared by all sessions: a set for each would take as much memory as the rest of it.
_ALL_FIELDS = set(Session.model_fields)


def to_head(session: Session) -> Document:
    head = {
        "_id": Binary.from_uuid(session.id),
        "user_id": session.user_id,
        "agent_id": session.agent_id,
        "key": session.key,
        "title": session.title,
        "is_test": session.is_test or None,
        "created_at": session.created_at,
        "end": session.end,
        "revision": 0,
        **_changeable(session),
    }
    return _without_none(head)


def _changeable(session: Session) -> Document:
    """Return what an update may change, None where the field should be absent."""
    return {
        "title": session.title,
        "metadata": _to_json_text(session.metadata),
        "metadata_terms": metadata_terms(session.metadata) or None,
        "max_context_results": session.max_context_results,
        "situation": session.situation,
        "render_templates": session.render_templates or None,
        "token_budget": session.token_budget,
        "context_overflow": session.context_overflow,
        "tools": _to_json_text(session.tools),
        "last_active": session.last_active,
        "start": session.start,
        "preview": session.preview and session.preview.model_dump(mode="json"),
        "summary": session.summary,
        "summary_end": session.summary_end or None,
    }


def metadata_terms(metadata: JsonObject | None) -> list[str]:
    """Return one text for each top-level value: what sessions are selected by.

    A client's keys never become field names or operators of a query that way.
    """
    terms = (metadata or {}).items()
    return [
        orjson.dumps([key, value], option=orjson.OPT_SORT_KEYS).decode() for key, value in terms
    ]


def from_head(head: Document) -> Session:
    preview, overflow = head.get("preview"), head.get("context_overflow")
    return Session.model_construct(
        _ALL_FIELDS,
        id=head["_id"].as_uuid(),
        user_id=head["user_id"],
        agent_id=head["agent_id"],
        key=head.get("key"),
        title=head.get("title"),
        metadata=_from_json_text(head.get("metadata")),
        max_context_results=head["max_context_results"],
        situation=head.get("situation"),
        render_templates=head.get("render_templates", False),
        token_budget=head.get("token_budget"),
        context_overflow=overflow and ContextOverflow(overflow),
        tools=_from_json_text(head.get("tools")),
        is_test=head.get("is_test", False),
        summary=head.get("summary"),
        summary_end=head.get("summary_end", 0),
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
        "reasoning_content": message.reasoning_content,
        "name": message.name,
        "tool_calls": _to_json_text(message.tool_calls),
        "tool_call_id": message.tool_call_id,
        "metadata": _to_json_text(message.metadata),
        "client_key": message.client_key,
        "usage": message.usage and message.usage.model_dump(),
        "created_at": message.created_at,
    }
    return _without_none(entry)


def from_entry(entry: Document) -> Message:
    content, usage = entry.get("content"), entry.get("usage")
    return Message.model_construct(
        seq=entry["_id"]["n"],
        id=entry["id"].as_uuid(),
        role=Role(entry["role"]),
        content=_from_json_text(entry.get("parts")) if content is None else content,
        reasoning_content=entry.get("reasoning_content"),
        name=entry.get("name"),
        tool_calls=_from_json_text(entry.get("tool_calls")),
        tool_call_id=entry.get("tool_call_id"),
        metadata=_from_json_text(entry.get("metadata")),
        client_key=entry.get("client_key"),
        usage=usage and Usage(**usage),
        created_at=_from_date(entry["created_at"]),
    )


def moved_head(last: Message) -> Document:
    """Return the update that makes a message the last one of its session."""
    return {
        "$set": {"end": last.seq, "preview": preview_of(last).model_dump(mode="json")},
        "$max": {"last_active": last.created_at},
    }


def changed_head(session: Session, *, cleared: bool) -> Document:
    """Return the update that changes what may be changed; the end stays as it is."""
    fields = _changeable(session)
    latest = {"last_active": fields.pop("last_active")}
    if not cleared:
        # An append under way may be moving these two.
        del fields["preview"], fields["start"]
    else:
        fields["sweep_from"] = utc_now()
    update = {"$set": _without_none(fields), "$max": latest, "$inc": {"revision": 1}}
    absent = {field: "" for field, value in fields.items() if value is None}
    return {**update, "$unset": absent} if absent else update


def marked_head() -> Document:
    """Return the update that deletes a session: from then on it is not live."""
    return {"$set": {"deleting": True, "sweep_from": utc_now()}, "$unset": {"key": ""}}


def unchanged_since_read(unfinished: Sequence[Document]) -> Document:
    """Return the filter for these heads, but for those deleted or cleared since."""
    fields = ("_id", "user_id", "sweep_from")
    return {"$or": [{field: head[field] for field in fields} for head in unfinished]}


def entry_id(session_id: UUID, seq: int) -> Document:
    return {"s": Binary.from_uuid(session_id), "n": seq}


def in_log(session_id: UUID, seqs: range) -> Document:
    """Return the filter for a range of a log: one walk over the primary index.

    The session's id is a field of its own because a sharded cluster routes by it.
    """
    return {
        "_id.s": Binary.from_uuid(session_id),
        "_id": {
            "$gte": entry_id(session_id, seqs.start),
            "$lt": entry_id(session_id, seqs.stop),
        },
    }


def places(session_id: UUID, seqs: Sequence[int]) -> Document:
    """Return the filter for single places of a log."""
    ids = [entry_id(session_id, seq) for seq in seqs]
    return {"_id.s": Binary.from_uuid(session_id), "_id": {"$in": ids}}


def with_keys(session_id: UUID, client_keys: list[str]) -> Document:
    return {"_id.s": Binary.from_uuid(session_id), "client_key": {"$in": client_keys}}


def said_with(session_id: UUID, seqs: range, words: str) -> Document:
    """Return the filter for what users and assistants said with any of the words."""
    said = {"role": {"$in": [Role.USER.value, Role.ASSISTANT.value]}, "tool_calls": None}
    return {**in_log(session_id, seqs), **said, "$text": {"$search": words}}


def heads_of(owners: Mapping[UUID, str | None]) -> Document:
    """Return the filter for live heads, routed by their owners where all are known."""
    heads = {"_id": {"$in": [Binary.from_uuid(session_id) for session_id in owners]}, **LIVE}
    user_ids = set(owners.values())
    return heads if None in user_ids else {**heads, "user_id": {"$in": sorted(map(str, user_ids))}}


def behind(head: Session, first_seq: int, last_seq: int) -> Document:
    """Return the filter for a live head that can show these messages and does not yet."""
    return {
        "_id": Binary.from_uuid(head.id),
        "user_id": head.user_id,
        **LIVE,
        "start": {"$lte": first_seq},
        "end": {"$lt": last_seq},
    }


def unchanged(head: Document, *, cleared: bool) -> Document:
    """Return the filter for a live head that has not changed since it was read."""
    same = {"_id": head["_id"], "user_id": head["user_id"], "revision": head["revision"], **LIVE}
    return same | ({"end": head["end"]} if cleared else {})


def selected(reach: Reach, of: Selection) -> Document:
    """Return the filter for a list; its owner fields, in this order, name the index it uses.

    What an agent's scope brings into reach is shown when that agent is selected.
    """
    own_user_id = None if of.agent_id in reach.agent_ids else reach.user_id
    filters = {
        "user_id": of.user_id or own_user_id,
        "agent_id": of.agent_id,
        "is_test": of.tests_only or None,
        "metadata_terms": {"$all": terms} if (terms := metadata_terms(of.metadata)) else None,
    }
    in_reach = _in_reach(reach)
    return _without_none(filters) | LIVE | ({"$and": [in_reach]} if in_reach else {})


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
