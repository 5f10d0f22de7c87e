"""Suggestions: made on demand, kept until the head moves."""

import pytest

from service.domain.access import Caller
from service.domain.chat.chat import Chat
from service.domain.chat.suggestions import MAX_SUGGESTION_CHARS, MAX_SUGGESTIONS
from service.domain.errors import ModelFailed, SessionForeign
from service.domain.sessions import Sessions
from service.llm.scripted import Script, Step
from service.llm.templates import SandboxedTemplates
from tests.chat.asking import asked, log_of, saying, user
from tests.chat.conftest import NewSessions

ANSWER = "user: What does it cost?\nagent: Shall I book it?"


async def test_suggestions_are_for_the_user_or_the_agent_after_the_last_message(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(text=ANSWER))
    session = await new_session()
    [last] = await sessions.append(alice, session.id, [user("I like this hotel.")])

    suggestions = await chat.suggestions(alice, session.id)

    assert [(s.target, s.content) for s in suggestions] == [
        ("user", "What does it cost?"),
        ("agent", "Shall I book it?"),
    ]
    assert {s.message_id for s in suggestions} == {last.id}
    assert ("user", "I like this hotel.") in asked(script)
    assert len(await log_of(sessions, alice, session.id)) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1. **User**: *Really?*\n- Agent: Yes.", [("user", "Really?*"), ("agent", "Yes.")]),
        ("I cannot help with that.", []),
        ("user:", []),
        ("user: " + "x" * 1000, [("user", "x" * MAX_SUGGESTION_CHARS)]),
        ("user: a\n" * 50, [("user", "a")] * MAX_SUGGESTIONS),
    ],
    ids=["marked up", "none", "empty", "too long", "too many"],
)
async def test_a_completion_is_read_as_far_as_it_has_suggestions(
    chat: Chat,
    script: Script,
    sessions: Sessions,
    alice: Caller,
    new_session: NewSessions,
    answer: str,
    expected: list[tuple[str, str]],
) -> None:
    script.steps.append(Step(text=answer))
    session = await new_session()
    await sessions.append(alice, session.id, [user("hi")])

    suggestions = await chat.suggestions(alice, session.id)

    assert [(s.target, s.content) for s in suggestions] == expected


async def test_suggestions_are_kept_until_the_head_moves(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()
    script.steps.extend([Step(text="one"), Step(text=ANSWER), Step(text="two"), Step(text=ANSWER)])
    await chat.reply(alice, session.id, saying("hi"))

    first = await chat.suggestions(alice, session.id)
    again = await chat.suggestions(alice, session.id)
    await chat.reply(alice, session.id, saying("more"))
    later = await chat.suggestions(alice, session.id)

    assert first == again
    assert later[0].message_id != first[0].message_id
    assert len(script.requests) == 4


async def test_an_empty_session_has_no_suggestions(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()

    assert await chat.suggestions(alice, session.id) == []
    assert not script.requests


async def test_without_a_model_there_are_no_suggestions(
    sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()
    await sessions.append(alice, session.id, [user("hi")])

    assert await Chat(sessions, None, SandboxedTemplates()).suggestions(alice, session.id) == []


async def test_a_model_that_fails_makes_no_suggestions(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(status=500))
    session = await new_session()
    await sessions.append(alice, session.id, [user("hi")])

    with pytest.raises(ModelFailed):
        await chat.suggestions(alice, session.id)


async def test_another_users_session_gives_no_suggestions_even_if_they_are_kept(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(text=ANSWER))
    session = await new_session()
    await sessions.append(alice, session.id, [user("hi")])
    await chat.suggestions(alice, session.id)

    with pytest.raises(SessionForeign):
        await chat.suggestions(Caller(user_id="mallory"), session.id)
