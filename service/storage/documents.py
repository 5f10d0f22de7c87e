"""Model ↔ document: every field name of the collections stands here once.

A head is `sessions {_id: session id, …}`; what one append adds is
`history {_id: {s: session id, n: first number}, …}`: its place is its identity, so the primary
index is the log (decision 0028).

Free-form JSON of clients (metadata, tool calls, content parts, unknown fields) is kept as JSON
text. It comes back exactly as it was sent, and none of its keys can ever mean something to
MongoDB.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
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
    utc_now,
)
from service.storage.driver import Document

LIVE: Document = {"deleting": None}
# Whose words a search finds.
SAYING = (Role.USER, Role.ASSISTANT)
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
        "preview": _to_preview(session),
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


def to_entry(session_id: UUID, messages: Sequence[Message]) -> Document:
    """Return the document of numbered messages that were appended together.

    It stands under the first number. One message is the document; several are an array, but
    for the texts and keys, which two indexes find in one place whatever their number.
    """
    entry_id = place(session_id, messages[0].seq)
    if len(messages) == 1:
        return {"_id": entry_id, **_to_fields(messages[0])}
    group = [_to_fields(message) for message in messages]
    texts = [fields["content"] for fields in group if "content" in fields]
    for text_place, fields in enumerate(f for f in group if "content" in f):
        fields["content"] = text_place
    keys = [message.client_key for message in messages if message.client_key is not None]
    together = {"content": texts or None, "client_key": keys or None}
    return {"_id": entry_id, "messages": group, **_without_none(together)}


def _to_fields(message: Message) -> Document:
    is_text = isinstance(message.content, str)
    fields = {
        "id": Binary.from_uuid(message.id),
        "role": message.role.value,
        "content": message.content if is_text else None,
        "parts": None if is_text else _to_json_text(message.content),
        "reasoning_content": message.reasoning_content,
        "name": message.name,
        "tool_calls": _to_json_text(message.tool_calls),
        "tool_call_id": message.tool_call_id,
        "metadata": _to_json_text(message.metadata),
        "extra": _to_json_text(message.extra),
        "client_key": message.client_key,
        "usage": message.usage and message.usage.model_dump(),
        "created_at": message.created_at,
    }
    return _without_none(fields)


def messages_in(entry: Document) -> list[Message]:
    """Return the messages of an entry, in their order."""
    first_seq = entry["_id"]["n"]
    group = entry.get("messages")
    if group is None:
        return [_from_fields(entry, entry.get("content"), first_seq)]
    texts = entry.get("content", ())
    return [
        _from_fields(fields, texts[fields["content"]] if "content" in fields else None, seq)
        for seq, fields in enumerate(group, first_seq)
    ]


def end_of(entry: Document) -> int:
    """Return the number of the entry's last message."""
    first_seq: int = entry["_id"]["n"]
    return first_seq + len(entry.get("messages", (entry,))) - 1


def _from_fields(fields: Document, text: str | None, seq: int) -> Message:
    usage = fields.get("usage")
    return Message.model_construct(
        seq=seq,
        id=fields["id"].as_uuid(),
        role=Role(fields["role"]),
        content=_from_json_text(fields.get("parts")) if text is None else text,
        reasoning_content=fields.get("reasoning_content"),
        name=fields.get("name"),
        tool_calls=_from_json_text(fields.get("tool_calls")),
        tool_call_id=fields.get("tool_call_id"),
        metadata=_from_json_text(fields.get("metadata")),
        extra=_from_json_text(fields.get("extra")),
        client_key=fields.get("client_key"),
        usage=usage and Usage(**usage),
        created_at=_from_date(fields["created_at"]),
    )


def fence(session_id: UUID, seq: int) -> Document:
    """Return the entry that ends a log for good: with it, its session is deleted."""
    return {"_id": place(session_id, seq), "fence": True}


def is_fence(entry: Document) -> bool:
    return "fence" in entry


def note(log_id: UUID, number: int, owed: Collection[tuple[UUID, str]]) -> Document:
    """Return the note that the heads of these sessions, with their owners, are behind."""
    heads = [{"s": Binary.from_uuid(session_id), "u": user_id} for session_id, user_id in owed]
    return {"_id": place(log_id, number), "owed": heads}


def owed_by(note: Document) -> dict[UUID, str]:
    """Return the sessions of a note, with their owners."""
    return {head["s"].as_uuid(): head["u"] for head in note["owed"]}


def is_note(entry: Document) -> bool:
    return "owed" in entry


def moved_heads(heads: Sequence[Session]) -> list[Document]:
    """Return the pipeline that makes each of these heads show its end, unless it shows more.

    A head only ever moves forward, so it may be moved to the same place twice.
    """
    ids = [Binary.from_uuid(head.id) for head in heads]
    shown = [{"end": h.end, "preview": _to_preview(h), "last_active": h.last_active} for h in heads]
    # Literal: what a message says must not be taken for an expression.
    place_of = {"$indexOfArray": [{"$literal": ids}, "$_id"]}
    is_behind = {"$lt": ["$end", "$shown.end"]}
    moved = {
        field: {"$cond": [is_behind, f"$shown.{field}", f"${field}"]}
        for field in ("end", "preview")
    }
    latest = {"$max": ["$last_active", "$shown.last_active"]}
    return [
        {"$set": {"shown": {"$arrayElemAt": [{"$literal": shown}, place_of]}}},
        {"$set": {**moved, "last_active": {"$cond": [is_behind, latest, "$last_active"]}}},
        {"$unset": "shown"},
    ]


def _to_preview(session: Session) -> Document | None:
    return None if session.preview is None else session.preview.model_dump(mode="json")


def changed_head(session: Session, head: Document, *, cleared: bool) -> Document:
    """Return the update of this head that changes what may be changed."""
    fields = _changeable(session)
    latest = {"last_active": fields.pop("last_active")}
    if not cleared:
        # The head may be moving.
        del fields["preview"], fields["start"]
    else:
        fields["end"] = session.end
        if "sweep_from" not in head:
            # A session that is cleared again and again is swept all the same.
            fields |= {"sweep_from": utc_now(), "sweep_to": session.start}
    update = {"$set": _without_none(fields), "$max": latest, "$inc": {"revision": 1}}
    absent = {field: "" for field, value in fields.items() if value is None}
    return {**update, "$unset": absent} if absent else update


def closing_head() -> Document:
    """Return the update after which no append begins: the session is about to be deleted."""
    return {"$set": {"closing": True}}


def marked_head() -> Document:
    """Return the update that deletes a session: from then on it is not live."""
    return {"$set": {"deleting": True, "sweep_from": utc_now()}, "$unset": {"key": ""}}


def sweep_to(head: Document) -> int:
    """Return the number below which a sweep of this cleared head purges its log."""
    number: int = head["sweep_to"] if "sweep_to" in head else head["start"]
    return number


def swept_heads() -> list[Document]:
    """Return the pipeline for cleared heads that are swept; what was cleared since waits anew."""
    is_done = {"$lte": ["$start", {"$ifNull": ["$sweep_to", "$start"]}]}
    return [
        {
            "$set": {
                "sweep_from": {"$cond": [is_done, "$$REMOVE", "$$NOW"]},
                "sweep_to": {"$cond": [is_done, "$$REMOVE", "$start"]},
            }
        }
    ]


def unchanged_since_read(unfinished: Sequence[Document]) -> Document:
    """Return the filter for these heads, but for those deleted or cleared since."""
    fields = ("_id", "user_id", "sweep_from")
    return {"$or": [{field: head[field] for field in fields} for head in unfinished]}


def place(session_id: UUID, seq: int) -> Document:
    """Return the id of an entry: its place in the log."""
    return {"s": Binary.from_uuid(session_id), "n": seq}


def in_log(session_id: UUID, seqs: range) -> Document:
    """Return the filter for a range of a log: one walk over the primary index.

    The session's id is a field of its own because a sharded cluster routes by it.
    """
    return {
        "_id.s": Binary.from_uuid(session_id),
        "_id": {
            "$gte": place(session_id, seqs.start),
            "$lt": place(session_id, seqs.stop),
        },
    }


def entries_at(places: Iterable[Document]) -> Document:
    """Return the filter for the entries at these places."""
    ids = list(places)
    return {"_id.s": {"$in": list({id_["s"] for id_ in ids})}, "_id": {"$in": ids}}


def with_keys(session_id: UUID, client_keys: Sequence[str]) -> Document:
    return {"_id.s": Binary.from_uuid(session_id), "client_key": {"$in": list(client_keys)}}


def without_keys(client_keys: Sequence[str]) -> list[Document]:
    """Return the pipeline that takes these keys from an entry; its messages stay as they are."""
    kept = {"$setDifference": ["$client_key", {"$literal": list(client_keys)}]}
    kept_if_any = {"$cond": [{"$eq": [kept, []]}, "$$REMOVE", kept]}
    return [
        {"$set": {"client_key": {"$cond": [{"$isArray": "$client_key"}, kept_if_any, "$$REMOVE"]}}}
    ]


def said_with(session_id: UUID, seqs: range, words: str) -> Document:
    """Return the filter for entries in which users or assistants said something, and the words."""
    said = {"role": {"$in": [role.value for role in SAYING]}, "tool_calls": None}
    return {
        **in_log(session_id, seqs),
        "$or": [said, {"messages": {"$elemMatch": said}}],
        "$text": {"$search": words},
    }


def heads_of(owners: Mapping[UUID, str | None]) -> Document:
    """Return the filter for live heads, routed by their owners where all are known."""
    heads = {"_id": {"$in": [Binary.from_uuid(session_id) for session_id in owners]}, **LIVE}
    user_ids = set(owners.values())
    return heads if None in user_ids else {**heads, "user_id": {"$in": sorted(map(str, user_ids))}}


def open_heads_of(owners: Mapping[UUID, str | None]) -> Document:
    """Return the filter for those of these heads that appends may go on from."""
    return {**heads_of(owners), "closing": None}


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
