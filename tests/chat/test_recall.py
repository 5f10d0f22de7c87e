"""Earlier messages from beyond the window, found by their words (a setting)."""

from collections.abc import AsyncIterator

import pytest

from service.domain.access import Caller, Reach
from service.domain.chat.chat import Chat
from service.domain.errors import SessionNotFound
from service.domain.models import Message, Role, Session
from service.domain.sessions import Sessions
from service.llm.scripted import Script
from service.storage.indexes import TEXT_INDEX, ensure_indexes, missing_indexes
from service.storage.mongo import MongoSessionStore
from tests.chat.asking import CALL, asked, assistant, result, saying, system, user
from tests.chat.conftest import NewSessions
from tests.contract.building import opened_store
from tests.databases import connected, fresh_database
from tests.every import every

FILLER = [user(f"Filler number {number}, nothing more.") for number in range(30)]
ALICE = Reach(user_id="alice")


@pytest.fixture(scope="module", params=["motor", "pymongo"])
async def both(request: pytest.FixtureRequest, mongo_url: str) -> AsyncIterator[MongoSessionStore]:
    async with (
        connected(request.param, mongo_url) as client,
        fresh_database(client) as database,
        opened_store(database, text_search=True) as store,
    ):
        yield store


async def filled(store: MongoSessionStore, *texts: str, user_id: str = "alice") -> Session:
    session = Session(agent_id="guide", user_id=user_id)
    await store.create(session)
    messages = [Message(role=Role.USER, content=text) for text in texts]
    await store.append(Reach(user_id=user_id), session.id, messages)
    return session


async def found(store: MongoSessionStore, session: Session, words: str, **bounds: int) -> list[int]:
    limits = {"before_seq": 1000, "limit": 10} | bounds
    return [m.seq for m in await store.search(ALICE, session.id, words, **limits)]


async def test_the_best_match_comes_first(both: MongoSessionStore) -> None:
    session = await filled(both, "a red car", "red shoes and a red hat", "blue sky", "the car")

    assert await found(both, session, "red hat") == [2, 1]


async def test_only_the_session_itself_is_searched(both: MongoSessionStore) -> None:
    session = await filled(both, "a red car")
    await filled(both, "my red secret", user_id="alice")
    await filled(both, "their red secret", user_id="bob")

    assert await found(both, session, "red secret") == [1]


async def test_only_messages_before_a_number_are_found_and_no_more_than_requested(
    both: MongoSessionStore,
) -> None:
    session = await filled(both, "red", "red", "red", "red")

    assert await found(both, session, "red", before_seq=3) == [2, 1]
    assert await found(both, session, "red", limit=3) == [4, 3, 2]


@pytest.mark.parametrize(
    "words", ['"red car"', "-red car", "red -car", "car $where", '"\\car', "CAR"]
)
async def test_mongodb_search_syntax_has_no_special_meaning(
    both: MongoSessionStore, words: str
) -> None:
    session = await filled(both, "a car that is red", "nothing")

    assert await found(both, session, words) == [1]


@pytest.mark.parametrize("words", ["", " ", "!?", "…", "\U0001f600"])
async def test_a_text_without_words_finds_nothing(both: MongoSessionStore, words: str) -> None:
    session = await filled(both, "hello")

    assert await found(both, session, words) == []


async def test_words_of_any_script_are_found(both: MongoSessionStore) -> None:
    session = await filled(both, "Погода хорошая", "Größe zählt", "the weather")

    assert await found(both, session, "погода") == [1]
    assert await found(both, session, "größe") == [2]
    assert await found(both, session, "the") == [3]


async def test_cleared_messages_are_not_found(both: MongoSessionStore) -> None:
    session = await filled(both, "red")
    await both.update(ALICE, session.id, lambda head: head.model_copy(update={"start": 2}))

    assert await found(both, session, "red") == []


async def test_a_session_out_of_reach_is_not_searched(both: MongoSessionStore) -> None:
    session = await filled(both, "red", user_id="bob")

    with pytest.raises(SessionNotFound):
        await found(both, session, "red")


async def test_the_text_index_is_created_only_with_the_setting(
    both: MongoSessionStore, mongo_url: str
) -> None:
    async with connected("motor", mongo_url) as client, fresh_database(client) as database:
        await ensure_indexes(database)

        assert await missing_indexes(database, text_search=True) == [TEXT_INDEX]
        assert await both.missing_indexes() == []


async def test_messages_beyond_the_window_come_between_situation_and_window(
    searching_chat: Chat,
    script: Script,
    sessions: Sessions,
    alice: Caller,
    new_session: NewSessions,
) -> None:
    session = await new_session(situation="Kind.", token_budget=300, max_context_results=2)
    facts = [user("My cat is called Tiger."), assistant("Tiger is a fine name for a cat.")]
    await sessions.append(alice, session.id, [*facts, user("I like tea."), *FILLER])

    await searching_chat.reply(alice, session.id, saying("What is my cat called?"))

    assert asked(script)[:3] == [
        ("system", "Kind."),
        ("user", "My cat is called Tiger."),
        ("assistant", "Tiger is a fine name for a cat."),
    ]
    assert asked(script)[3][1].startswith("Filler")
    assert asked(script)[-1] == ("user", "What is my cat called?")


async def test_no_more_are_found_than_the_session_asks_for(
    searching_chat: Chat,
    script: Script,
    sessions: Sessions,
    alice: Caller,
    new_session: NewSessions,
) -> None:
    session = await new_session(token_budget=300)
    await sessions.append(alice, session.id, [user("cat one"), user("cat two"), *FILLER])

    await searching_chat.reply(alice, session.id, saying("my cat"))

    assert [text for _, text in asked(script) if str(text).startswith("cat")] == ["cat two"]


async def test_calls_results_and_system_messages_are_not_found(
    searching_chat: Chat,
    script: Script,
    sessions: Sessions,
    alice: Caller,
    new_session: NewSessions,
) -> None:
    session = await new_session(token_budget=300, max_context_results=10)
    pair = [assistant("find the cat", tool_calls=[CALL]), result("the cat is here")]
    await sessions.append(alice, session.id, [*pair, *FILLER])

    await searching_chat.reply(alice, session.id, saying("the cat"))

    assert asked(script)[0][0] == "user"
    assert every("cat" not in str(text) for _, text in asked(script)[:-1])


async def test_nothing_is_found_twice(
    searching_chat: Chat,
    script: Script,
    sessions: Sessions,
    alice: Caller,
    new_session: NewSessions,
) -> None:
    session = await new_session(token_budget=300, max_context_results=100)
    talk = [user(f"cat {number}") for number in range(60)]
    await sessions.append(alice, session.id, [system("Be brief."), *talk])

    await searching_chat.reply(alice, session.id, saying("my cat"))

    texts = [text for _, text in asked(script)]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("settings", [{"recall": False}], ids=str)
async def test_without_recall_nothing_is_found(
    searching_chat: Chat,
    script: Script,
    sessions: Sessions,
    alice: Caller,
    new_session: NewSessions,
    settings: dict[str, bool],
) -> None:
    session = await new_session()
    await sessions.append(alice, session.id, [user("my cat")])

    await searching_chat.reply(alice, session.id, saying("cat", **settings))

    assert asked(script) == [("user", "cat")]


async def test_without_the_setting_nothing_is_searched(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(token_budget=300)
    await sessions.append(alice, session.id, [user("my cat"), *FILLER])

    await chat.reply(alice, session.id, saying("cat"))

    assert asked(script)[0][1].startswith("Filler")
