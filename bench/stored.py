"""Compares what a contender has stored with what was sent to it: fast and wrong fails."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic, sleep
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from bson import Binary
from pymongo.database import Database

from bench.contenders import BASELINE, BEFORE, LANGCHAIN, OPENAI_AGENTS, SERVICE
from bench.load import Sent
from service.domain.rules import RESERVED_IDS

SHOWN = 3
HEADS_WITHIN_S = 5
AFTER_NOTES = Binary.from_uuid(UUID(int=len(RESERVED_IDS)))


class WrongData(Exception):
    """Something was lost, duplicated, invented, or is in the wrong place."""


class Entry(NamedTuple):
    """A message as it is stored; libraries that do not number messages keep no number."""

    session: Any
    seq: int | None
    text: str


def check(entries: Sequence[Entry], ends: Mapping[Any, int], sent: Sequence[Sent]) -> None:
    """Compare the stored messages, the ends that their heads state, and what was sent.

    Raises:
        WrongData: they do not fit together.
    """
    _check_texts(Counter(entry.text for entry in entries), sent)
    sequential = frozenset(s.label for s in sent if s.sequential)
    logs: dict[Any, list[Entry]] = defaultdict(list)
    for entry in entries:
        logs[entry.session].append(entry)
    for session, log in logs.items():
        numbered = sorted(entry for entry in log if entry.seq is not None)
        if numbered:
            _check_log(session, numbered, ends.get(session))
            _check_order(session, numbered, sequential)


def _check_texts(stored: Counter[str], sent: Sequence[Sent]) -> None:
    expected = {f"{s.label}:{number}" for s in sent for number in range(1, s.total + 1)}
    _require_none("stored twice", [text for text, times in stored.items() if times > 1])
    _require_none("never sent", stored.keys() - expected)
    lost = expected - stored.keys()
    if len(lost) > sum(s.unanswered for s in sent):
        _require_none("acknowledged and lost", lost)


def _check_log(session: Any, numbered: Sequence[Entry], end: int | None) -> None:
    seqs = [entry.seq for entry in numbered]
    if seqs != list(range(1, len(seqs) + 1)):
        raise WrongData(f"The log of {session} has gaps or takes a number twice: {seqs}")
    if end != len(seqs):
        raise WrongData(f"The head of {session} says {end}, its log ends at {len(seqs)}.")


def _check_order(session: Any, numbered: Sequence[Entry], labels: frozenset[str]) -> None:
    last: dict[str, int] = {}
    for entry in numbered:
        label, _, number = entry.text.partition(":")
        if label in labels and int(number) < last.get(label, 0):
            raise WrongData(f"In {session}, {entry.text} stands behind {label}:{last[label]}.")
        last[label] = int(number)


def _require_none(what: str, texts: Iterable[str]) -> None:
    found = sorted(texts)
    if found:
        raise WrongData(f"{len(found)} messages were {what}, among them {found[:SHOWN]}")


def stored_by(name: str, database: Database[dict[str, Any]]) -> tuple[list[Entry], dict[Any, int]]:
    """Return all messages that a contender keeps, and where its heads say that logs end."""
    return {
        BASELINE: _by_baseline,
        SERVICE: _by_service,
        BEFORE: _by_service,
        LANGCHAIN: _by_langchain,
        OPENAI_AGENTS: _by_openai_agents,
    }[name](database)


def _by_service(database: Database[dict[str, Any]]) -> tuple[list[Entry], dict[Any, int]]:
    _wait_for_heads(database)
    found = database["history"].find({}, {"content": 1})
    entries = [Entry(e["_id"]["s"], e["_id"]["n"], _text(e["content"])) for e in found]
    return entries, _ends(database)


def _wait_for_heads(database: Database[dict[str, Any]]) -> None:
    """Return when no head is behind its log any more.

    Raises:
        WrongData: one is for too long.
    """
    notes = {"_id": {"$lt": {"s": AFTER_NOTES, "n": 0}}}
    until_s = monotonic() + HEADS_WITHIN_S
    while database["history"].find_one(notes):
        if monotonic() > until_s:
            raise WrongData(f"After {HEADS_WITHIN_S} s, heads are behind their logs.")
        sleep(0.01)


def _by_baseline(database: Database[dict[str, Any]]) -> tuple[list[Entry], dict[Any, int]]:
    found = database["history"].find({}, {"session_id": 1, "seq": 1, "content": 1})
    entries = [Entry(e["session_id"], e["seq"], _text(e["content"])) for e in found]
    return entries, _ends(database)


def _by_langchain(database: Database[dict[str, Any]]) -> tuple[list[Entry], dict[Any, int]]:
    found = database["message_store"].find({})
    messages = ((e["SessionId"], orjson.loads(e["History"])) for e in found)
    return [Entry(id_, None, _text(m["data"]["content"])) for id_, m in messages], {}


def _by_openai_agents(database: Database[dict[str, Any]]) -> tuple[list[Entry], dict[Any, int]]:
    """Its numbers count from 0, and its heads state the next one."""
    found = database["agent_messages"].find({})
    items = ((e["session_id"], e["seq"] + 1, orjson.loads(e["message_data"][0])) for e in found)
    entries = [Entry(id_, seq, _text(item["content"])) for id_, seq, item in items]
    heads = database["agent_sessions"].find({}, {"session_id": 1, "_seq": 1})
    return entries, {head["session_id"]: head["_seq"] for head in heads}


def _ends(database: Database[dict[str, Any]]) -> dict[Any, int]:
    return {head["_id"]: head["end"] for head in database["sessions"].find({}, {"end": 1})}


def _text(content: str) -> str:
    return content.partition(" ")[0]
