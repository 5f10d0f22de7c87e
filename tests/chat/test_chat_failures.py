"""Chats that fail: nothing is stored, and the model stops."""

import asyncio
from contextlib import aclosing

import pytest

from service.domain.access import Caller
from service.domain.chat.chat import Chat
from service.domain.errors import ModelFailed
from service.domain.sessions import Sessions
from service.llm.scripted import Script, Step
from tests.chat.asking import log_of, said, saying
from tests.chat.conftest import NewSessions
from tests.served import until

FAILURES = [Step(status=500), Step(status=400), Step(junk=b"<html>"), Step(cut_after=0)]


@pytest.mark.parametrize("failure", FAILURES, ids=["500", "400", "junk", "cut"])
async def test_nothing_is_stored_when_the_model_fails(
    chat: Chat,
    script: Script,
    sessions: Sessions,
    alice: Caller,
    new_session: NewSessions,
    failure: Step,
) -> None:
    script.steps.append(failure)
    session = await new_session()

    with pytest.raises(ModelFailed):
        await chat.reply(alice, session.id, saying("hi"))

    assert await log_of(sessions, alice, session.id) == []


async def test_nothing_is_stored_of_a_stream_that_breaks_off(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(text="It is Paris", cut_after=2))
    session = await new_session()
    pieces = chat.stream(alice, session.id, saying("hi"))

    first = [await anext(pieces), await anext(pieces)]
    with pytest.raises(ModelFailed):
        await anext(pieces)

    assert first == ["It", " is"]
    assert await log_of(sessions, alice, session.id) == []


async def test_the_model_stops_and_nothing_is_stored_when_the_caller_hangs_up(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(text="Paris", delay_s=60))
    session = await new_session()
    turn = asyncio.create_task(chat.reply(alice, session.id, saying("hi")))
    await until(lambda: script.requests)

    turn.cancel()

    await until(lambda: script.hang_ups == 1)
    assert await log_of(sessions, alice, session.id) == []


async def test_the_model_stops_and_nothing_is_stored_when_the_stream_is_closed(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(text="It is Paris", delay_s=0.05))
    session = await new_session()

    async with aclosing(chat.stream(alice, session.id, saying("hi"))) as pieces:
        await anext(pieces)

    await until(lambda: script.hang_ups == 1)
    assert await log_of(sessions, alice, session.id) == []


async def test_a_turn_being_stored_is_stored_whole_even_if_the_caller_hangs_up(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    """Hang up at many moments around the end: the whole turn is stored, or nothing of it."""
    for pause_ms in range(0, 40, 2):
        script.steps.append(Step(text="Paris"))
        session = await new_session()
        turn = asyncio.create_task(chat.reply(alice, session.id, saying("hi")))
        await asyncio.sleep(pause_ms / 1000)

        turn.cancel()
        await asyncio.wait([turn])
        await chat.close()

        log = said(await log_of(sessions, alice, session.id))
        assert log in ([], [("user", "hi"), ("assistant", "Paris")])
        script.steps.clear()
