"""A turn with an idempotency key: sent again, it is stored once and gets the same completion."""

import asyncio

import pytest

from service.domain.access import Caller
from service.domain.chat.chat import Chat
from service.domain.chat.completion import Completion
from service.domain.chat.turns import MAX_TURN_KEY_CHARS
from service.domain.errors import IdempotencyKeyReused, InvalidInput
from service.domain.sessions import Sessions
from service.llm.scripted import Script, Step
from tests.chat.asking import CALL, asked, log_of, said, saying, user
from tests.chat.conftest import NewSessions


async def test_a_repeated_turn_gets_the_stored_completion_without_the_model(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.extend([Step(text="Paris", usage=(12, 3)), Step(text="Rome")])
    session = await new_session()
    request = saying("The capital?", idempotency_key="k1")

    first = await chat.reply(alice, session.id, request)
    again = await chat.reply(alice, session.id, request)

    assert again == first
    assert len(script.requests) == 1
    assert len(await log_of(sessions, alice, session.id)) == 2


async def test_a_repeated_stream_gets_the_stored_completion_in_pieces(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(text="It is", tool_calls=[CALL]))
    session = await new_session()
    request = saying("hi", idempotency_key="k1")
    first = await chat.reply(alice, session.id, request)

    *deltas, last = [piece async for piece in chat.stream(alice, session.id, request)]

    assert [type(delta).__name__ for delta in deltas] == ["str", "ToolCallDelta"]
    assert last == first


@pytest.mark.parametrize("texts", [("other",), ("hi", "more"), ("more", "hi")])
async def test_a_key_with_other_messages_is_refused(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions, texts: tuple[str, ...]
) -> None:
    session = await new_session()
    await chat.reply(alice, session.id, saying("hi", idempotency_key="k1"))

    with pytest.raises(IdempotencyKeyReused):
        await chat.reply(alice, session.id, saying(*texts, idempotency_key="k1"))

    assert len(script.requests) == 1


async def test_a_key_of_a_turn_with_more_messages_is_refused(
    chat: Chat, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()
    await chat.reply(alice, session.id, saying("hi", "there", idempotency_key="k1"))

    with pytest.raises(IdempotencyKeyReused):
        await chat.reply(alice, session.id, saying("hi", idempotency_key="k1"))


async def test_a_turn_sent_twice_at_the_same_time_is_stored_once(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.extend([Step(text="Paris", delay_s=0.1), Step(text="Rome", delay_s=0.1)])
    session = await new_session()
    request = saying("The capital?", idempotency_key="k1")

    first, second = await asyncio.gather(
        *(chat.reply(alice, session.id, request) for _ in range(2))
    )

    assert first.message == second.message
    assert len(await log_of(sessions, alice, session.id)) == 2


async def test_messages_stored_by_an_earlier_attempt_are_neither_stored_nor_shown_twice(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(text="Paris"))
    session = await new_session()
    # A crash left the beginning of the turn: its input, not its completion.
    await sessions.append(alice, session.id, [user("hi", client_key="chat:k1:0")])

    await chat.reply(alice, session.id, saying("hi", idempotency_key="k1"))

    assert asked(script) == [("user", "hi")]
    log = await log_of(sessions, alice, session.id)
    assert said(log) == [("user", "hi"), ("assistant", "Paris")]


async def test_a_key_taken_by_another_message_is_refused(
    chat: Chat, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()
    await sessions.append(alice, session.id, [user("other", client_key="chat:k1:0")])

    with pytest.raises(IdempotencyKeyReused):
        await chat.reply(alice, session.id, saying("hi", idempotency_key="k1"))

    assert len(await log_of(sessions, alice, session.id)) == 1


async def test_the_same_key_in_another_session_is_another_turn(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions
) -> None:
    one, other = await new_session(), await new_session()

    for session in (one, other):
        completion = await chat.reply(alice, session.id, saying("hi", idempotency_key="k1"))
        assert isinstance(completion, Completion)

    assert len(script.requests) == 2


async def test_a_key_that_is_too_long_is_refused(
    chat: Chat, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()

    await chat.reply(alice, session.id, saying("x", idempotency_key="k" * MAX_TURN_KEY_CHARS))
    with pytest.raises(InvalidInput, match="idempotency key"):
        await chat.reply(
            alice, session.id, saying("x", idempotency_key="k" * (MAX_TURN_KEY_CHARS + 1))
        )
