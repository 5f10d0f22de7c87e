"""A turn of a chat: what the model is sent, what is stored, and when."""

import pytest

from service.domain.access import ADMIN_SCOPE, AGENT_SCOPE_PREFIX, Caller
from service.domain.chat.chat import Chat
from service.domain.chat.completion import ChatRequest, Completion, ModelSettings, ToolCallDelta
from service.domain.chat.turns import MAX_MESSAGES_PER_TURN
from service.domain.errors import (
    InvalidInput,
    ModelNotConfigured,
    SessionForeign,
    SessionNotFound,
    TooLarge,
)
from service.domain.models import NewMessage, Role, Usage
from service.domain.rules import MAX_CONTENT_BYTES
from service.domain.sessions import Sessions
from service.llm.scripted import Script, Step
from service.llm.templates import SandboxedTemplates
from tests.chat.asking import CALL, asked, assistant, log_of, result, said, saying, system, user
from tests.chat.conftest import NewSessions

TOOLS = [{"type": "function", "function": {"name": "find", "parameters": {}}}]


async def test_the_inputs_and_the_completion_are_stored_in_this_order(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(text="Paris"))
    session = await new_session()

    completion = await chat.reply(alice, session.id, saying("Hello", "The capital of France?"))

    log = await log_of(sessions, alice, session.id)
    assert said(log) == [
        ("user", "Hello"),
        ("user", "The capital of France?"),
        ("assistant", "Paris"),
    ]
    assert completion.message == log[-1]
    assert [message.created_at for message in log] == sorted(m.created_at for m in log)


async def test_the_model_is_sent_situation_window_and_request_in_this_order(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(situation="You are kind.")
    await sessions.append(alice, session.id, [user("one"), system("be brief"), assistant("two")])

    await chat.reply(alice, session.id, saying("three"))

    assert asked(script) == [
        ("system", "You are kind."),
        ("user", "one"),
        ("system", "be brief"),
        ("assistant", "two"),
        ("user", "three"),
    ]


async def test_a_situation_is_a_template_only_if_the_session_says_so(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions
) -> None:
    settings = {
        "situation": "Help {{ metadata.name }} of {{ session.title }} with {{ agent_id }}.",
        "metadata": {"name": "Al"},
        "title": "T",
    }
    rendered = await new_session(render_templates=True, **settings)
    plain = await new_session(**settings)

    await chat.reply(alice, rendered.id, saying("hi"))
    await chat.reply(alice, plain.id, saying("hi"))

    assert asked(script, 0)[0] == ("system", "Help Al of T with guide.")
    assert asked(script, 1)[0] == ("system", settings["situation"])


async def test_a_situation_that_cannot_be_rendered_is_bad_input(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(situation="{{ 1 +", render_templates=True)

    with pytest.raises(InvalidInput, match="situation"):
        await chat.reply(alice, session.id, saying("hi"))

    assert not script.requests


async def test_without_recall_the_stored_window_is_left_out(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(situation="Be kind.")
    await sessions.append(alice, session.id, [user("earlier")])

    await chat.reply(alice, session.id, saying("now", recall=False))

    assert asked(script) == [("system", "Be kind."), ("user", "now")]


async def test_a_turn_that_should_not_be_remembered_is_not_stored(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(text="Paris"))
    session = await new_session()

    completion = await chat.reply(alice, session.id, saying("hi", remember=False))

    assert completion.message.content == "Paris"
    assert await log_of(sessions, alice, session.id) == []


async def test_a_stream_gives_pieces_and_then_the_stored_completion(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(text="It is Paris"))
    session = await new_session()

    *deltas, last = [piece async for piece in chat.stream(alice, session.id, saying("hi"))]

    assert deltas == ["It", " is", " Paris"]
    log = await log_of(sessions, alice, session.id)
    assert isinstance(last, Completion)
    assert last.message == log[-1]
    assert said(log) == [("user", "hi"), ("assistant", "It is Paris")]


async def test_tool_calls_are_passed_through_and_stored_as_tool_calls(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.extend([Step(tool_calls=[CALL]), Step(text="It is x")])
    session = await new_session()

    pieces = [piece async for piece in chat.stream(alice, session.id, saying("find x"))]
    await chat.reply(alice, session.id, ChatRequest(messages=[result("x is here")]))

    assert isinstance(pieces[0], ToolCallDelta)
    _, call, answer, final = await log_of(sessions, alice, session.id)
    assert (call.tool_calls, call.content) == ([CALL], None)
    assert (answer.role, answer.tool_call_id) == (Role.TOOL, "c1")
    assert final.content == "It is x"
    assert [role for role, _ in asked(script)] == ["user", "assistant", "tool"]


async def test_a_tool_call_without_a_result_is_not_shown_to_the_model(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()
    await sessions.append(alice, session.id, [user("find x"), assistant(None, tool_calls=[CALL])])

    await chat.reply(alice, session.id, saying("never mind"))

    assert asked(script) == [("user", "find x"), ("user", "never mind")]


async def test_the_sessions_tools_are_sent_unless_the_request_has_its_own(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session(tools=TOOLS)

    await chat.reply(alice, session.id, saying("a"))
    await chat.reply(alice, session.id, saying("b", settings=ModelSettings(tools=[])))

    assert script.requests[0]["tools"] == TOOLS
    assert "tools" not in script.requests[1]


async def test_the_cost_of_a_completion_is_stored_with_it(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.extend([Step(text="a", usage=(12, 3)), Step(text="b", usage=None)])
    session = await new_session()

    await chat.reply(alice, session.id, saying("1"))
    await chat.reply(alice, session.id, saying("2"))

    usages = [message.usage for message in await log_of(sessions, alice, session.id)]
    assert usages == [None, Usage(prompt_tokens=12, completion_tokens=3), None, None]


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([], InvalidInput),
        ([user("x")] * (MAX_MESSAGES_PER_TURN + 1), InvalidInput),
        ([user("")], InvalidInput),
        ([user("a\x00b")], InvalidInput),
        ([NewMessage(role=Role.USER, content="x", tool_calls=[CALL])], InvalidInput),
        ([user("x" * (MAX_CONTENT_BYTES + 1))], TooLarge),
    ],
    ids=["none", "too many", "empty", "NUL", "a user's tool call", "too large"],
)
async def test_bad_messages_are_refused_before_the_model_is_called(
    chat: Chat,
    script: Script,
    alice: Caller,
    new_session: NewSessions,
    messages: list[NewMessage],
    error: type[Exception],
) -> None:
    session = await new_session()

    with pytest.raises(error):
        await chat.reply(alice, session.id, ChatRequest(messages=messages))

    assert not script.requests


async def test_only_callers_who_may_change_a_session_can_chat_in_it(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()
    stranger = Caller(user_id="mallory")
    dashboard = Caller(user_id="dora", scopes=frozenset({f"{AGENT_SCOPE_PREFIX}guide"}))

    for caller in (stranger, dashboard):
        with pytest.raises(SessionForeign):
            await chat.reply(caller, session.id, saying("hi"))
        with pytest.raises(SessionForeign):
            await chat.reply(caller, session.id, saying("hi", remember=False))

    assert not script.requests
    admin = Caller(user_id="root", scopes=frozenset({ADMIN_SCOPE}))
    assert (await chat.reply(admin, session.id, saying("hi"))).message.seq == 2


async def test_a_session_deleted_while_the_model_thinks_is_not_found(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    script.steps.append(Step(text="It is Paris", delay_s=0.05))
    session = await new_session()
    pieces = chat.stream(alice, session.id, saying("hi"))
    await anext(pieces)

    await sessions.delete(alice, session.id)

    with pytest.raises(SessionNotFound):
        _ = [piece async for piece in pieces]


async def test_without_a_model_chat_says_what_to_set(
    sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()
    chat = Chat(sessions, None, SandboxedTemplates())

    with pytest.raises(ModelNotConfigured, match="SESSIONS_LLM_BASE_URL and SESSIONS_LLM_MODEL"):
        await chat.reply(alice, session.id, saying("hi"))
