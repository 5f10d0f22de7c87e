"""The commands the store sends for each call users wait for, as a table of docs/scaling.md."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from service.domain.access import EVERYBODY, Reach
from service.domain.models import ListPage, Selection, Session, User, utc_now
from service.domain.session_key import KeySelection
from service.domain.window import Window
from service.storage.mongo import MongoSessionStore
from service.storage.users import MongoUserStore
from tests.contract.building import ALICE, ids_of, keyed, messages, new_session
from tests.storage.mongo_commands import Command, filters_of
from tests.storage.shard_keys import shard_field

PAGE = ListPage(limit=2)
NEWEST = Window(limit=2, newest=True)
DASHBOARD = Reach(user_id="bob", agent_ids=frozenset({"agent"}))
HEADER = ("call", "sent to MongoDB", "by", "shards")

Calls = dict[str, Callable[[], Awaitable[object]]]


def calls(store: MongoSessionStore, users: MongoUserStore, one: Session, two: Session) -> Calls:
    """Return every call that requests make, and the work in the background."""
    return {
        "create a session": lambda: store.create(new_session(key="new")),
        "append": lambda: store.append(ALICE, one.id, messages("ab")),
        "append again with the same keys": lambda: store.append(ALICE, one.id, keyed("k")),
        "read a page": lambda: store.read(ALICE, one.id, NEWEST),
        "get a head": lambda: store.get(ALICE, one.id),
        "find by key": lambda: store.find_by_key(EVERYBODY, "alice", "new"),
        "list a user's sessions": lambda: store.list_heads(ALICE, PAGE, Selection()),
        "lists of two users at once": lambda: asyncio.gather(
            *(store.list_heads(Reach(user_id=name), PAGE, Selection()) for name in ("bob", "eve"))
        ),
        "count a user's sessions": lambda: store.count(ALICE, Selection()),
        "list a user's keys": lambda: store.list_keys(
            EVERYBODY, KeySelection(user_id="alice"), limit=2
        ),
        "newest messages of two sessions": lambda: store.newest_of_each(
            EVERYBODY, [one, two], limit=2
        ),
        "change settings": lambda: store.update(ALICE, one.id, lambda head: head),
        "clear": lambda: store.update(
            ALICE, one.id, lambda head: head.model_copy(update={"start": head.end + 1})
        ),
        "delete": lambda: store.delete(ALICE, two.id),
        "get or create a user": lambda: users.get_or_create(User(id="alice")),
        "list an agent's sessions": lambda: store.list_heads(
            DASHBOARD, PAGE, Selection(agent_id="agent")
        ),
        "get a head, as an agent or admin": lambda: store.get(EVERYBODY, one.id),
        "is it another's? (404 or 403)": lambda: store.exists(EVERYBODY, one.id),
        "sweep, every 30 s": lambda: store.sweep(begun_before=utc_now()),
        "export": lambda: ids_of(store.scan(EVERYBODY, Selection())),
    }


def rows_of(call: str, commands: list[Command]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each command that differs from those before it."""
    rows = dict.fromkeys(
        (f"{name} {collection}", _fields(part), _shards(part, collection))
        for command in commands
        for name, collection, part in _parts(command)
    )
    for row in rows:
        yield (call, *row)


def table(rows: list[tuple[str, ...]]) -> str:
    lines = [HEADER, ("---",) * len(HEADER), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _parts(command: Command) -> Iterator[tuple[str, str, Command]]:
    """Yield the command, and what it joins from other collections as commands of their own."""
    name, collection = next(iter(command.items()))
    if "pipeline" not in command:
        yield name, collection, command
        return
    unions = [stage["$unionWith"] for stage in command["pipeline"] if "$unionWith" in stage]
    others = [union for union in unions if union["coll"] != collection]
    own = [stage for stage in command["pipeline"] if stage.get("$unionWith") not in others]
    yield name, collection, {**command, "pipeline": own}
    for other in others:
        yield "with", other["coll"], {"pipeline": other["pipeline"]}


def _branches(command: Command) -> list[dict[str, Any]]:
    """Return the filters or the inserted documents: these determine the shard."""
    if "documents" in command:
        return [_flat(document) for document in command["documents"]]
    return [branch for f in filters_of(command) for branch in f.get("$or", [f])]


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    place = document["_id"]
    return {**document, "_id.s": place["s"]} if isinstance(place, dict) else document


def _fields(command: Command) -> str:
    if "documents" in command:
        return "the document"
    return ", ".join(f"`{field}`" for field in _branches(command)[0] if not field.startswith("$"))


def _shards(command: Command, collection: str) -> str:
    named = [_values(branch.get(shard_field(collection))) for branch in _branches(command)]
    if not all(named):
        return "**all**"
    several = len({repr(value) for values in named for value in values}) > 1
    return "one each" if several else "one"


def _values(named: Any) -> list[Any]:
    """Return the values in a filter; a range has none."""
    if isinstance(named, dict):
        return list(named.get("$in", []))
    return [] if named is None else [named]
