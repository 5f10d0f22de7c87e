"""A database with many sessions and one long log, as the service would have stored them."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

from pymongo.database import Database

from bench.writers import Owned, User, users
from service.domain.models import Message, Role, Session, preview_of, utc_now
from service.storage.documents import to_entry, to_head
from service.storage.indexes import HISTORY, INDEXES, SESSIONS

BATCH = 10_000
MEASURED_USERS = 25
MEASURED_SESSIONS_EACH = 20
MEASURED = MEASURED_USERS * MEASURED_SESSIONS_EACH
MESSAGES_EACH = 20
MOST_USERS = 1000
CONTENT_CHARS = 200
TEXTS = 1000
NOW = utc_now()

Document = dict[str, Any]


class Loaded(NamedTuple):
    """The sessions that are used, of the measured users, from the oldest to the newest."""

    measured: list[Owned]
    long: Owned


def fill(database: Database[Document], *, sessions: int, messages: int) -> Loaded:
    """Store this many sessions and a log of this many messages, then make the indexes.

    The measured sessions are spread over all of them and have short logs.
    """
    owners = users(MEASURED_USERS)
    texts = _texts()
    long = Session(user_id=owners[0].id, agent_id="bench", created_at=NOW - timedelta(days=1000))
    _store_log(database, long, messages, texts)
    measured = _store_sessions(database, sessions, owners)
    for session in measured:
        _store_log(database, session, MESSAGES_EACH, texts)
    _make_indexes(database)
    by_name = {user.id: user for user in owners}
    return Loaded(
        [Owned(str(session.id), by_name[session.user_id]) for session in measured],
        Owned(str(long.id), owners[0]),
    )


def _store_sessions(
    database: Database[Document], how_many: int, owners: list[User]
) -> list[Session]:
    """Store the heads of all but the measured sessions, and return the measured ones."""
    user_count = min(MOST_USERS, how_many // MEASURED_SESSIONS_EACH)
    names = [
        *(user.id for user in owners),
        *(f"user{n}" for n in range(MEASURED_USERS, user_count)),
    ]
    step = how_many // user_count // MEASURED_SESSIONS_EACH
    measured: list[Session] = []

    def unmeasured() -> Iterator[Document]:
        for number in range(how_many):
            turn, user = divmod(number, user_count)
            session = Session(
                user_id=names[user],
                agent_id=f"agent{number % 100}",
                created_at=NOW - timedelta(seconds=how_many - number),
            )
            if user < MEASURED_USERS and turn % step == 0 and len(measured) < MEASURED:
                measured.append(session)
            else:
                yield to_head(session)

    _insert(database, SESSIONS, unmeasured())
    return measured


def _store_log(
    database: Database[Document], session: Session, length: int, texts: list[str]
) -> None:
    def message(seq: int) -> Message:
        # Built without checks: a million messages of our own making do not need them.
        return Message.model_construct(
            seq=seq, role=Role.USER, content=texts[seq % TEXTS], id=uuid4(), created_at=NOW
        )

    _insert(database, HISTORY, (to_entry(session.id, [message(n)]) for n in range(1, length + 1)))
    shown = {"end": length, "preview": preview_of(message(length)), "last_active": NOW}
    database[SESSIONS].insert_one(to_head(session.model_copy(update=shown)))


def _insert(database: Database[Document], name: str, documents: Iterable[Document]) -> None:
    remaining = iter(documents)
    while batch := list(islice(remaining, BATCH)):
        database[name].insert_many(batch, ordered=False)


def _make_indexes(database: Database[Document]) -> None:
    """Make them all at the end, which is faster than with every insert."""
    for index in INDEXES:
        database[index.collection].create_index(list(index.keys), name=index.name, **index.options)


def _texts() -> list[str]:
    """Return texts that compress about as well as language does."""
    random = Random(20)  # noqa: S311  Not a secret: each run has the same texts.
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(random.choices(letters, k=random.randint(2, 9))) for _ in range(2000)]
    return [" ".join(random.choices(words, k=60))[:CONTENT_CHARS] for _ in range(TEXTS)]
