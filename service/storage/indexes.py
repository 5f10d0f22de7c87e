"""The indexes, each with its reason. The primary indexes on `_id` come with the collections."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pymongo.errors import OperationFailure

from service.domain.errors import StoreUnavailable
from service.domain.models import SortBy
from service.storage.diagnosis import AUTHENTICATION_FAILED, UNAUTHORIZED, WRONG_LOGIN
from service.storage.driver import Database, Document, Sort, name_of

SESSIONS = "sessions"
HISTORY = "history"
KEY_INDEX = "user_id_key"
KEYLESS_INDEX = "user_id_without_key"


class Index(NamedTuple):
    collection: str
    name: str
    keys: Sort
    why: str
    options: dict[str, Any] = {}  # noqa: RUF012  It is never changed.


def list_index(selected: Iterable[str], sort_by: SortBy) -> str:
    """Return the name of the index used by a list that is selected by these fields."""
    owner_fields = (field for field in ("user_id", "agent_id") if field in selected)
    return "_".join((*owner_fields, "by", sort_by))


def _list_indexes() -> list[Index]:
    lists = {
        ("user_id",): "A user's own list.",
        ("agent_id",): "An agent's list on a dashboard.",
        ("user_id", "agent_id"): "A user's own sessions with one agent, however many others have.",
    }
    return [
        Index(
            SESSIONS,
            list_index(fields, sort_by),
            [*((field, 1) for field in fields), (sort_by.value, 1), ("_id", 1)],
            why,
        )
        for fields, why in lists.items()
        for sort_by in SortBy
    ]


INDEXES = [
    *_list_indexes(),
    Index(
        SESSIONS,
        KEY_INDEX,
        [("user_id", 1), ("key", 1)],
        "A key names one session of its owner, also when two processes create it at the same time.",
        {"unique": True, "partialFilterExpression": {"key": {"$exists": True}}},
    ),
    Index(
        SESSIONS,
        KEYLESS_INDEX,
        [("user_id", 1), ("_id", 1)],
        "Lists of keys show sessions without one by their ids. Those with a key cost it nothing.",
        {"partialFilterExpression": {"key": None}},
    ),
    Index(
        SESSIONS,
        "sweep_from",
        [("sweep_from", 1)],
        "The sweeper finds deletes and clears to finish without looking at other sessions.",
        {"partialFilterExpression": {"sweep_from": {"$exists": True}}},
    ),
    Index(
        HISTORY,
        "session_client_key",
        [("_id.s", 1), ("client_key", 1)],
        "An idempotency key stores its message at most once, in any race.",
        {"unique": True, "partialFilterExpression": {"client_key": {"$exists": True}}},
    ),
]

TEXT_INDEX = Index(
    HISTORY,
    "session_text",
    [("_id.s", 1), ("content", "text")],
    "Chats find earlier messages of their session by words. Only if the setting is on.",
    # Conversations have many languages: no stems, no stop words.
    {"default_language": "none"},
)


def wanted_indexes(*, text_search: bool) -> list[Index]:
    return [*INDEXES, TEXT_INDEX] if text_search else INDEXES


async def ensure_indexes(database: Database, *, text_search: bool = False) -> None:
    """Create what is missing. Safe in many processes at once; the same index twice is one.

    Raises:
        StoreUnavailable: MongoDB refuses one, and why: what is stored breaks it, there is another
            one of this name, the user may not make what is missing, or the login is wrong.
    """
    for index in wanted_indexes(text_search=text_search):
        collection = database[index.collection]
        try:
            await collection.create_index(list(index.keys), name=index.name, **index.options)
        except OperationFailure as error:
            if error.code in AUTHENTICATION_FAILED:
                raise StoreUnavailable(f"{WRONG_LOGIN}.") from None
            if error.code == UNAUTHORIZED:
                await _require_all(database, text_search=text_search)
                return
            raise StoreUnavailable(
                f"MongoDB refuses the index {index.collection}.{index.name}: {_reason(error)}."
            ) from None


async def _require_all(database: Database, *, text_search: bool) -> None:
    try:
        if not await missing_indexes(database, text_search=text_search):
            return
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
    raise StoreUnavailable(
        f"the user in SESSIONS_MONGO_URL may not create indexes in database {name_of(database)}: "
        "grant readWrite, or run `session-service indexes` as one that may."
    )


def _reason(error: OperationFailure) -> str:
    # The text of the error may hold what is stored; the name of its kind does not.
    return str((error.details or {}).get("codeName", f"code {error.code}"))


async def missing_indexes(database: Database, *, text_search: bool = False) -> list[Index]:
    """Return the indexes the database lacks."""
    wanted = wanted_indexes(text_search=text_search)
    present = {
        name: await database[name].index_information()
        for name in {index.collection for index in wanted}
    }
    return [index for index in wanted if not _is_like(present[index.collection], index)]


def _is_like(present: Mapping[str, Document], index: Index) -> bool:
    """Say whether there is an index of that name with these keys and this uniqueness."""
    found = present.get(index.name)
    if found is None:
        return False
    # MongoDB keeps the keys of a text index in a form of its own.
    same_keys = index is TEXT_INDEX or list(found["key"]) == list(index.keys)
    return same_keys and bool(found.get("unique")) == bool(index.options.get("unique"))
