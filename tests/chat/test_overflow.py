"""Conversations that no longer fit into their token budget, in the three kinds of overflow."""

import asyncio

import pytest

from service.domain.access import Caller
from service.domain.chat.chat import Chat
from service.domain.chat.completion import ChatRequest
from service.domain.chat.token_estimate import tokens_of_all
from service.domain.errors import ModelFailed, TokenBudgetExceeded
from service.domain.models import ContextOverflow, NewMessage, Role
from service.domain.sessions import Sessions
from service.llm.scripted import Script, Step
from tests.chat.asking import CALL, asked, assistant, log_of, result, saying, system, user
from tests.chat.conftest import NewSessions
from tests.served import until

TURNS = [user(f"This is message number {number} of the chat.") for number in range(1, 31)]
TRUNCATE, ADAPTIVE = ContextOverflow.TRUNCATE, ContextOverflow.ADAPTIVE


def tokens_asked(script: Script, call: int = -1) -> int:
    prompt = script.requests[call]["messages"]
    return tokens_of_all(NewMessage(role=Role(m["role"]), content=m["content"]) for m in prompt)


def numbers_asked(script: Script) -> list[int]:
    words = [content.split() for _, content in asked(script) if "message number" in content]
    return [int(text[4]) for text in words]


@pytest.mark.parametrize("overflow", [None, TRUNCATE])
async def test_the_window_is_the_newest_that_fits_alongside_situation_and_request(
    chat: Chat,
    script: Script,
    sessions: Sessions,
    alice: Caller,
    new_session: NewSessions,
    overflow: ContextOverflow | None,
) -> None:
    session = await new_session(situation="Kind.", token_budget=150, context_overflow=overflow)
    await sessions.append(alice, session.id, [system("Be brief."), *TURNS])

    await chat.reply(alice, session.id, saying("And now?"))

    assert asked(script)[:2] == [("system", "Kind."), ("system", "Be brief.")]
    assert asked(script)[-1] == ("user", "And now?")
    assert numbers_asked(script) == list(range(25, 31))
    assert tokens_asked(script) <= 150 < tokens_asked(script) + tokens_of_all(TURNS[23:24])
    assert len(await log_of(sessions, alice, session.id)) == 33


async def test_without_a_budget_the_whole_window_is_sent(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()
    await sessions.append(alice, session.id, TURNS)

    await chat.reply(alice, session.id, saying("And now?"))

    assert len(asked(script)) == 31


async def test_tools_take_their_share_of_the_budget(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    tools = [{"type": "function", "function": {"name": "find", "description": "x " * 100}}]
    plain = await new_session(token_budget=300)
    equipped = await new_session(token_budget=300, tools=tools)

    for session in (plain, equipped):
        await sessions.append(alice, session.id, TURNS)
        await chat.reply(alice, session.id, saying("And now?"))

    assert len(asked(script, 1)) < len(asked(script, 0)) - 3


async def test_a_request_that_may_not_be_cut_is_refused_with_both_numbers(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(token_budget=50)
    request = saying("word " * 100)

    with pytest.raises(TokenBudgetExceeded) as refused:
        await chat.reply(alice, session.id, request)

    assert refused.value.tokens == tokens_of_all(request.messages)
    assert refused.value.budget == 50
    assert str(refused.value.tokens) in str(refused.value)
    assert " 50." in str(refused.value)
    assert not script.requests
    assert await log_of(sessions, alice, session.id) == []


async def test_truncate_cuts_the_request_itself_and_stores_it_whole(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(situation="Kind.", token_budget=100, context_overflow=TRUNCATE)
    text = " ".join(str(number) for number in range(500))

    await chat.reply(alice, session.id, saying("before", text))

    assert asked(script)[0] == ("system", "Kind.")
    assert str(asked(script)[-1][1]).endswith("498 499")
    assert tokens_asked(script) <= 100
    assert (await log_of(sessions, alice, session.id))[1].content == text


@pytest.mark.parametrize("overflow", list(ContextOverflow))
async def test_a_situation_over_the_budget_is_never_cut(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions, overflow: ContextOverflow
) -> None:
    session = await new_session(situation="word " * 100, token_budget=50, context_overflow=overflow)

    with pytest.raises(TokenBudgetExceeded):
        await chat.reply(alice, session.id, saying("hi"))

    assert not script.requests


async def test_a_call_stays_when_the_request_has_its_result(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(token_budget=100, context_overflow=TRUNCATE)
    await sessions.append(alice, session.id, [assistant(None, tool_calls=[CALL])])

    await chat.reply(alice, session.id, ChatRequest(messages=[result("found " * 100)]))

    assert [role for role, _ in asked(script)] == ["assistant", "tool"]


async def test_adaptive_replaces_older_messages_with_a_summary(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.extend([Step(text="They counted."), Step(text="Yes.")])
    session = await new_session(token_budget=150, context_overflow=ADAPTIVE)
    await sessions.append(alice, session.id, TURNS)

    await chat.reply(alice, session.id, saying("And now?"))

    head = await sessions.get(alice, session.id)
    assert head.summary == "They counted."
    assert asked(script)[0] == ("system", "Earlier: They counted.")
    assert numbers_asked(script) == list(range(head.summary_end + 1, 31))
    assert tokens_asked(script) <= 150
    assert [m.content for m in await log_of(sessions, alice, session.id)][:30] == [
        message.content for message in TURNS
    ]


async def test_a_summary_is_made_from_the_older_messages_and_the_previous_summary(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(token_budget=150, context_overflow=ADAPTIVE)
    for summary in ("First summary.", "Second summary."):
        await sessions.append(alice, session.id, TURNS)
        script.steps.extend([Step(text=summary), Step(text="Yes.")])
        await chat.reply(alice, session.id, saying("And now?"))

    transcript = str(asked(script, 2)[1][1])
    assert "Earlier: First summary." in transcript
    assert "user: This is message number 1 of the chat." in transcript
    assert asked(script, 3)[0] == ("system", "Earlier: Second summary.")


async def test_a_summary_is_used_until_it_is_outgrown(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(token_budget=300, context_overflow=ADAPTIVE)
    await sessions.append(alice, session.id, TURNS)
    script.steps.extend([Step(text="Summary."), Step(text="a"), Step(text="b"), Step(text="c")])

    for text in ("one", "two", "three"):
        await chat.reply(alice, session.id, saying(text))

    assert len(script.requests) == 4
    assert asked(script)[0] == ("system", "Earlier: Summary.")
    assert asked(script)[-2:] == [("assistant", "b"), ("user", "three")]


async def test_a_conversation_that_fits_needs_no_summary(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(token_budget=5000, context_overflow=ADAPTIVE)
    await sessions.append(alice, session.id, TURNS)

    await chat.reply(alice, session.id, saying("And now?"))

    assert len(script.requests) == 1
    assert (await sessions.get(alice, session.id)).summary is None


async def test_without_room_for_a_summary_adaptive_cuts_as_truncate_does(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(token_budget=30, context_overflow=ADAPTIVE)
    await sessions.append(alice, session.id, TURNS)

    await chat.reply(alice, session.id, saying("And now, what shall we do next?"))

    assert len(script.requests) == 1
    assert tokens_asked(script) <= 30


async def test_messages_are_not_summarised_when_an_older_call_has_to_stay(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(token_budget=200, context_overflow=ADAPTIVE)
    await sessions.append(alice, session.id, [assistant(None, tool_calls=[CALL]), *TURNS])

    await chat.reply(alice, session.id, ChatRequest(messages=[result("found")]))

    assert len(script.requests) == 1
    assert [role for role, _ in asked(script)][:2] == ["assistant", "user"]
    assert asked(script)[-1] == ("tool", "found")


@pytest.mark.parametrize("answer", [Step(status=500), Step(tool_calls=[CALL])], ids=["500", "call"])
async def test_a_summary_that_fails_fails_the_chat(
    chat: Chat,
    script: Script,
    sessions: Sessions,
    alice: Caller,
    new_session: NewSessions,
    answer: Step,
) -> None:
    script.steps.append(answer)
    session = await new_session(token_budget=150, context_overflow=ADAPTIVE)
    await sessions.append(alice, session.id, TURNS)

    with pytest.raises(ModelFailed):
        await chat.reply(alice, session.id, saying("And now?"))

    assert len(await log_of(sessions, alice, session.id)) == 30


async def test_a_summary_is_not_kept_when_nothing_should_be_remembered(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.extend([Step(text="They counted."), Step(text="Yes.")])
    session = await new_session(token_budget=150, context_overflow=ADAPTIVE)
    await sessions.append(alice, session.id, TURNS)

    await chat.reply(alice, session.id, saying("And now?", remember=False))

    assert asked(script)[0] == ("system", "Earlier: They counted.")
    assert (await sessions.get(alice, session.id)).summary is None


async def test_a_summary_of_messages_cleared_meanwhile_is_not_kept(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.extend([Step(text="They counted.", delay_s=0.3), Step(text="Yes.")])
    session = await new_session(token_budget=150, context_overflow=ADAPTIVE)
    await sessions.append(alice, session.id, TURNS)
    pieces = chat.stream(alice, session.id, saying("And now?"))
    asking = asyncio.ensure_future(anext(pieces))
    await until(lambda: script.requests)

    await sessions.clear(alice, session.id)
    await asking
    _ = [piece async for piece in pieces]

    assert (await sessions.get(alice, session.id)).summary is None


async def test_a_summary_is_cut_if_it_takes_more_than_its_share(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.extend([Step(text="word " * 400 + "end"), Step(text="Yes.")])
    session = await new_session(token_budget=150, context_overflow=ADAPTIVE)
    await sessions.append(alice, session.id, TURNS)

    await chat.reply(alice, session.id, saying("And now?"))

    assert str(asked(script)[0][1]).endswith("word end")
    assert tokens_asked(script) <= 150
    assert len(numbers_asked(script)) >= 2
