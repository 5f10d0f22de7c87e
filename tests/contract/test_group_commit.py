"""Group commit on a real MongoDB: many appends share calls, and each promise still holds."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from service.domain.access import Reach
from service.domain.errors import IdempotencyKeyReused, SessionNotFound
from service.domain.models import ListPage, Message, Selection, Session
from service.domain.sessions import emptied
from service.storage.append.append_log import AppendLog
from service.storage.driver import Database
from service.storage.mongo import MongoSessionStore
from tests.contract.batching import (
    append_each,
    inserts_of,
    logs_of,
    names_of,
    open_sessions,
)
from tests.contract.building import (
    ALICE,
    BOB,
    Interruption,
    keyed,
    log_interrupted_after_insert,
    log_interrupted_before_insert,
    log_of,
    message,
    messages,
    seqs_of,
    stored_seqs,
    texts_of,
)
from tests.contract.conftest import REAL_KINDS
from tests.every import every
from tests.storage.mongo_commands import SentCommands

Appending = MongoSessionStore | AppendLog
Interrupted = Callable[[Database, Interruption], AppendLog]
Act = Callable[[MongoSessionStore, Session], Awaitable[object]]

# What a follower needs for all heads of a batch: one call that moves them, one for the notes.
FOLLOWING = Counter({"update": 1, "delete": 1})
TEXTS = "abcdefghijklmnopqrst"

INTERRUPTED: dict[str, Interrupted] = {
    "before the insert": log_interrupted_before_insert,
    "after the insert": log_interrupted_after_insert,
}

in_the_middle = pytest.mark.parametrize("interrupted", INTERRUPTED.values(), ids=INTERRUPTED)


@pytest.fixture(params=REAL_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_concurrent_appends_share_one_call_and_so_do_the_moves_of_their_heads(
    watched: tuple[MongoSessionStore, SentCommands],
) -> None:
    store, sent = watched
    sessions = await open_sessions(store, 64)
    sent.take()

    await append_each(store, sessions, messages("a"))
    first = names_of(sent.take())
    await append_each(store, sessions, messages("b"))
    second = names_of(sent.take())
    await store.list_heads(ALICE, ListPage(limit=1), Selection(user_id="alice"))
    third = names_of(sent.take())

    following = first + second + third - Counter({"insert": 2, "find": 1})
    assert first - following == second - following == {"insert": 1}
    assert following in (FOLLOWING, FOLLOWING + FOLLOWING)
    assert await logs_of(store, sessions) == ["ab"] * 64


async def test_single_and_many_messages_share_a_call_and_keep_their_order_in_each_log(
    watched: tuple[MongoSessionStore, SentCommands],
) -> None:
    store, sent = watched
    sessions = await open_sessions(store, 8)
    sent.take()

    await asyncio.gather(
        *(
            store.append(ALICE, session.id, messages(texts))
            for texts in ("a", "bcd", "e", "fg")
            for session in sessions
        )
    )

    assert len(inserts_of(sent.take())) == 1
    assert await logs_of(store, sessions) == ["abcdefg"] * 8


@pytest.mark.parametrize("sent", [messages(TEXTS), keyed(TEXTS)], ids=["plain", "keyed"])
async def test_appends_that_conflict_with_another_process_share_the_cost(
    watched: tuple[MongoSessionStore, SentCommands],
    other_store: MongoSessionStore,
    sent: list[Message],
) -> None:
    store, commands = watched
    sessions = await open_sessions(store, 5, "-")
    await append_each(other_store, sessions, messages("x"))
    commands.take()

    await append_each(store, sessions, sent)

    assert names_of(commands.take()).total() < 10 * len(sessions)
    assert await logs_of(store, sessions) == [f"-x{TEXTS}"] * 5


async def test_of_two_concurrent_appends_with_the_same_key_the_later_stores_nothing(
    store: MongoSessionStore, database: Database
) -> None:
    [session] = await open_sessions(store, 1)

    first, second = await asyncio.gather(
        store.append(ALICE, session.id, keyed("ab")),
        store.append(ALICE, session.id, [*keyed("c"), message("B", client_key="b")]),
        return_exceptions=True,
    )

    assert isinstance(first, list)
    assert isinstance(second, IdempotencyKeyReused)
    assert await logs_of(store, [session]) == ["ab"]
    assert await stored_seqs(database, session.id) == [1, 2]


async def test_of_appends_that_conflict_with_another_process_only_one_with_a_used_key_is_refused(
    store: MongoSessionStore, other_store: MongoSessionStore
) -> None:
    [session] = await open_sessions(store, 1, "-")
    await other_store.append(ALICE, session.id, [message("x", client_key="b")])

    first, second, third = await append_each(store, [session], keyed("abc"))

    assert isinstance(second, IdempotencyKeyReused)
    assert await logs_of(store, [session]) == ["-xac"]
    assert [first[0].seq, third[0].seq] == [3, 4]


@in_the_middle
async def test_another_process_in_the_middle_of_a_batch_costs_no_message_and_keeps_the_order(
    store: MongoSessionStore, database: Database, interrupted: Interrupted
) -> None:
    sessions = await open_sessions(store, 5, "-")

    async def race() -> None:
        await append_each(store, sessions[1::2], messages("xy"))

    answers = await append_each(interrupted(database, race), sessions, messages("abc"))

    logs = [await log_of(store, session) for session in sessions]
    own = ["".join(t for t in texts_of(log) if t in "abc") for log in logs]
    assert own == ["abc"] * 5
    assert [sorted(texts) for texts in ("-abc", "-abcxy", "-abc", "-abcxy", "-abc")] == [
        sorted(texts_of(log)) for log in logs
    ]
    assert every(seqs_of(log) == list(range(1, len(log) + 1)) for log in logs)
    assert [answer[0] for answer in answers] == [
        next(m for m in logs[i] if m.content == text) for text in "abc" for i in range(5)
    ]


async def test_replays_within_a_batch_or_of_earlier_batches_store_nothing(
    store: MongoSessionStore,
) -> None:
    sessions = await open_sessions(store, 5)
    earlier = await append_each(store, sessions, keyed("a"))

    answers = await append_each(store, sessions, [*keyed("abb"), message("c"), *keyed("bc")])

    assert earlier == answers[:5]
    assert answers[5:10] == answers[10:15] == answers[20:25]
    assert ["".join(sorted(log)) for log in await logs_of(store, sessions)] == ["abcc"] * 5


BAD: dict[str, tuple[Act, type[Exception]]] = {
    "unknown session": (
        lambda store, _: store.append(ALICE, uuid4(), messages("x")),
        SessionNotFound,
    ),
    "foreign session": (
        lambda store, session: store.append(BOB, session.id, messages("x")),
        SessionNotFound,
    ),
    "foreign agent": (
        lambda store, session: store.append(
            Reach(user_id="bob", agent_ids=frozenset({"other"})), session.id, messages("x")
        ),
        SessionNotFound,
    ),
    "key with other content": (
        lambda store, session: store.append(ALICE, session.id, [message("x", client_key="k")]),
        IdempotencyKeyReused,
    ),
    "key with other content among many": (
        lambda store, session: store.append(
            ALICE, session.id, [message("x"), message("y", client_key="k"), message("z")]
        ),
        IdempotencyKeyReused,
    ),
}


@pytest.mark.parametrize("heads_are_known", [True, False])
@pytest.mark.parametrize(("bad", "error"), BAD.values(), ids=BAD)
async def test_a_bad_request_among_good_ones_fails_alone(
    store: MongoSessionStore,
    other_store: MongoSessionStore,
    bad: Act,
    error: type[Exception],
    heads_are_known: bool,  # noqa: FBT001  A test parameter.
) -> None:
    sessions = await open_sessions(store, 5)
    await append_each(store, sessions, [message("-", client_key="k")])
    appending = store if heads_are_known else other_store

    before, refused, after = await asyncio.gather(
        append_each(appending, sessions, messages("a")),
        asyncio.gather(bad(appending, sessions[2]), return_exceptions=True),
        append_each(appending, sessions, messages("b")),
    )

    assert [error] == [type(answer) for answer in refused]
    assert every(isinstance(answer, list) for answer in [*before, *after])
    assert await logs_of(store, sessions) == ["-ab"] * 5


@in_the_middle
async def test_in_a_batch_only_the_session_deleted_meanwhile_is_not_found(
    store: MongoSessionStore, database: Database, interrupted: Interrupted
) -> None:
    sessions = await open_sessions(store, 5, "-")

    async def delete() -> None:
        await store.delete(ALICE, sessions[2].id)

    answers = await append_each(interrupted(database, delete), sessions, messages("ab"))

    failed = {i for i, answer in enumerate(answers) if isinstance(answer, SessionNotFound)}
    was_stored = interrupted is log_interrupted_after_insert
    assert failed == (set() if was_stored else {2, 7})
    assert await stored_seqs(database, sessions[2].id) == ([1, 2, 3] if was_stored else [1])
    with pytest.raises(SessionNotFound):
        await store.get(ALICE, sessions[2].id)
    assert await logs_of(store, sessions[:2] + sessions[3:]) == ["-ab"] * 4


@in_the_middle
async def test_a_session_cleared_in_the_middle_of_a_batch_shows_what_was_stored_after_the_clear(
    store: MongoSessionStore, database: Database, interrupted: Interrupted
) -> None:
    sessions = await open_sessions(store, 5, "-")

    async def clear() -> None:
        await store.update(ALICE, sessions[2].id, emptied)

    answers = await append_each(interrupted(database, clear), sessions, messages("ab"))

    logs = await logs_of(store, sessions)
    was_stored = interrupted is log_interrupted_after_insert
    assert logs == ["-ab", "-ab", "" if was_stored else "ab", "-ab", "-ab"]
    assert [answers[i][0].seq for i in (2, 7)] == [2, 3]


@in_the_middle
async def test_a_caller_that_hangs_up_cancels_no_other_append(
    store: MongoSessionStore, database: Database, interrupted: Interrupted
) -> None:
    sessions = await open_sessions(store, 5, "-")
    tasks: list[asyncio.Task[list[Message]]] = []

    async def hang_up() -> None:
        tasks[2].cancel()

    log = interrupted(database, hang_up)
    tasks += [asyncio.create_task(log.append(ALICE, s.id, messages("a"))) for s in sessions]
    await asyncio.gather(*tasks, return_exceptions=True)
    await log.append(ALICE, sessions[2].id, messages("b"))

    assert [task.cancelled() for task in tasks] == [False, False, True, False, False]
    assert await logs_of(store, sessions) == ["-a", "-a", "-ab", "-a", "-a"]
