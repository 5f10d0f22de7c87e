"""What models and their servers do beyond the ordinary: none of it ends a session or a stream."""

from typing import Any

import orjson
import pytest

from service.domain.access import Caller
from service.domain.chat.chat import Chat
from service.domain.chat.completion import ChatRequest, Completion, Delta, ReasoningDelta
from service.domain.errors import InvalidInput
from service.domain.models import Role
from service.domain.rules import MAX_METADATA_BYTES
from service.domain.sessions import Sessions
from service.llm.scripted import Script, Step
from tests.chat.asking import CALL, assistant, log_of, result, said, saying, user
from tests.chat.conftest import NewSessions

SMILE = "\U0001f600"
STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def events(*deltas: dict[str, Any], last: dict[str, Any] = STOP) -> bytes:
    chunks = [{"choices": [{"delta": delta}]} for delta in deltas]
    return b"".join(b"data: %b\n\n" % orjson.dumps(chunk) for chunk in [*chunks, last])


def halves(data: bytes) -> bytes:
    """Return the events with `<1>` and `<2>` as the escaped halves of a character."""
    return data.replace(b"<1>", b"\\ud83d").replace(b"<2>", b"\\ude00")


async def streamed(
    chat: Chat, caller: Caller, session_id: Any, request: ChatRequest
) -> tuple[list[Delta], Completion]:
    *deltas, last = [piece async for piece in chat.stream(caller, session_id, request)]
    assert isinstance(last, Completion)
    return [delta for delta in deltas if not isinstance(delta, Completion)], last


# Halves of a character


@pytest.mark.parametrize(
    ("deltas", "text", "thought"),
    [
        ([{"content": "a<1>"}, {"content": "<2>b"}], f"a{SMILE}b", None),
        ([{"content": "a<1>"}, {"content": "b"}], "a\ufffdb", None),
        ([{"content": "a<1>"}], "a\ufffd", None),
        ([{"content": "<2>"}], "\ufffd", None),
        (
            [{"content": "a<1>"}, {"reasoning": "t<1>"}, {"content": "<2>"}, {"reasoning": "<2>"}],
            f"a{SMILE}",
            f"t{SMILE}",
        ),
    ],
    ids=["two chunks", "other text", "the end", "second alone", "between"],
)
async def test_halves_of_a_character_in_two_chunks_are_joined(
    chat: Chat,
    script: Script,
    sessions: Sessions,
    alice: Caller,
    new_session: NewSessions,
    deltas: list[dict[str, Any]],
    text: str,
    thought: str | None,
) -> None:
    script.steps.append(Step(junk=halves(events(*deltas))))
    session = await new_session()

    pieces, completion = await streamed(chat, alice, session.id, saying("hi"))

    assert "".join(piece for piece in pieces if isinstance(piece, str)) == text
    for piece in pieces:
        orjson.dumps(piece if isinstance(piece, str) else piece.model_dump())
    assert completion.message.reasoning_content == thought
    assert (await log_of(sessions, alice, session.id))[-1].content == text


async def test_lone_halves_in_a_whole_response_and_in_arguments_are_replaced(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    function = {"name": "find", "arguments": '{"q": "<1>"'}
    call = {"index": 0, "id": "c1", "function": function}
    rest = {"index": 0, "function": {"arguments": "<2>}"}}
    whole = {"choices": [{"message": {"content": "a<1>"}, "finish_reason": "stop"}]}
    script.steps.append(Step(junk=halves(orjson.dumps(whole))))
    script.steps.append(Step(junk=halves(events({"tool_calls": [call]}, {"tool_calls": [rest]}))))
    session = await new_session()

    await chat.reply(alice, session.id, saying("hi"))
    await streamed(chat, alice, session.id, saying("hi"))

    log = await log_of(sessions, alice, session.id)
    assert log[1].content == "a\ufffd"
    assert log[3].tool_calls is not None
    assert log[3].tool_calls[0]["function"]["arguments"] == '{"q": "\ufffd"\ufffd}'


# Streams that contain more than chunks


async def test_events_that_are_not_chunks_are_skipped(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions
) -> None:
    noise = b": hello\n\nretry: 5\n\nevent: ping\ndata: {}\n\ndata: null\n\ndata: \n\n"
    odd = b'data: {"choices": null}\n\ndata: {"choices": [null]}\n\ndata: {"usage": 1}\n\n'
    script.steps.append(Step(junk=noise + events({"content": "Paris"}) + odd + noise))
    session = await new_session()

    pieces, completion = await streamed(chat, alice, session.id, saying("hi"))

    assert pieces == ["Paris"]
    assert completion.message.content == "Paris"


# Responses without text


@pytest.mark.parametrize("content", ["", None])
@pytest.mark.parametrize("finish_reason", ["stop", "length"])
async def test_a_response_without_text_is_a_response(
    chat: Chat,
    script: Script,
    sessions: Sessions,
    alice: Caller,
    new_session: NewSessions,
    content: str | None,
    finish_reason: str,
) -> None:
    choice = {"message": {"content": content}, "finish_reason": finish_reason}
    last = {"choices": [{"delta": {"content": content}, "finish_reason": finish_reason}]}
    script.steps.append(Step(junk=orjson.dumps({"choices": [choice]})))
    script.steps.append(Step(junk=events(last=last)))
    session = await new_session()

    whole = await chat.reply(alice, session.id, saying("hi"))
    pieces, stream = await streamed(chat, alice, session.id, saying("hi"))

    assert (whole.message.content, stream.message.content, pieces) == ("", "", [])
    assert whole.finish_reason == stream.finish_reason == finish_reason
    log = await log_of(sessions, alice, session.id)
    assert said(log)[1::2] == [("assistant", ""), ("assistant", "")]


# Reasoning


async def test_reasoning_is_kept_on_the_message_and_streamed_separately_from_the_text(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    step = Step(text="It is Paris", reasoning="Let me think")
    script.steps.extend([step, step])
    session = await new_session()

    whole = await chat.reply(alice, session.id, saying("hi"))
    pieces, stream = await streamed(chat, alice, session.id, saying("hi"))

    assert [p.text for p in pieces if isinstance(p, ReasoningDelta)] == ["Let", " me", " think"]
    assert [p for p in pieces if isinstance(p, str)] == ["It", " is", " Paris"]
    for message in (whole.message, stream.message, *(await log_of(sessions, alice, session.id))):
        if message.role is Role.ASSISTANT:
            assert (message.content, message.reasoning_content) == ("It is Paris", "Let me think")


async def test_reasoning_sent_under_both_names_is_read_once(
    chat: Chat, script: Script, alice: Caller, new_session: NewSessions
) -> None:
    both = {"reasoning": "think", "reasoning_content": "think"}
    script.steps.append(Step(junk=events(both, {"content": "ok"})))
    session = await new_session()

    _, completion = await streamed(chat, alice, session.id, saying("hi"))

    assert completion.message.reasoning_content == "think"


ANNOTATIONS = [{"type": "url_citation"}, {"type": "file_citation"}]


async def test_what_else_a_provider_says_is_kept_on_the_message(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    message = {"role": "assistant", "content": "ok", "annotations": ANNOTATIONS, "audio": None}
    whole = {"choices": [{"message": message, "finish_reason": "stop"}]}
    pieces = events(*({"content": "o", "annotations": [note]} for note in ANNOTATIONS))
    script.steps.extend([Step(junk=orjson.dumps(whole)), Step(junk=pieces)])
    session = await new_session()

    await chat.reply(alice, session.id, saying("hi"))
    await streamed(chat, alice, session.id, saying("hi"))

    log = await log_of(sessions, alice, session.id)
    extras = [message.extra for message in log if message.role is Role.ASSISTANT]
    assert extras == [{"annotations": ANNOTATIONS}] * 2


async def test_an_answer_with_too_much_beside_it_is_stored_without_that(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    message = {"content": "ok", "audio": {"data": "x" * MAX_METADATA_BYTES}}
    whole = {"choices": [{"message": message, "finish_reason": "stop"}]}
    script.steps.append(Step(junk=orjson.dumps(whole)))
    session = await new_session()

    completion = await chat.reply(alice, session.id, saying("hi"))

    assert (completion.message.content, completion.message.extra) == ("ok", None)


async def test_reasoning_goes_back_with_the_tool_calls_of_the_same_turn_and_no_others(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()
    other = {**CALL, "id": "c2"}
    await sessions.append(
        alice,
        session.id,
        [
            user("find x"),
            assistant(None, tool_calls=[CALL], reasoning_content="old"),
            result("x"),
            assistant("Found.", reasoning_content="old"),
            user("find y"),
            assistant(None, tool_calls=[other], reasoning_content="I need y"),
        ],
    )

    await chat.reply(alice, session.id, ChatRequest(messages=[result("y", "c2")]))
    await chat.reply(alice, session.id, saying("thanks"))

    sent = [[m.get("reasoning_content") for m in r["messages"]] for r in script.requests]
    assert sent[0] == [None, None, None, None, None, "I need y", None]
    assert set(sent[1]) == {None}


# Sessions that a server would refuse


async def test_a_session_with_blank_turns_and_odd_names_continues(
    chat: Chat, script: Script, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()
    log = [user("  "), user(""), user("Hello", name="Zoë O'Neill <ops>"), assistant("")]
    await sessions.append(alice, session.id, log)

    await chat.reply(alice, session.id, saying("Still there?"))

    assert script.requests[0]["messages"] == [
        {"role": "user", "content": "Hello", "name": "Zoe_O_Neill_ops"},
        {"role": "user", "content": "Still there?"},
    ]
    kept = (await log_of(sessions, alice, session.id))[:4]
    assert [(m.content, m.name) for m in kept] == [(m.content, m.name) for m in log]


async def test_a_turn_of_nothing_but_blanks_is_refused_and_stores_nothing(
    chat: Chat, sessions: Sessions, alice: Caller, new_session: NewSessions
) -> None:
    session = await new_session()

    with pytest.raises(InvalidInput, match="more than blanks"):
        await chat.reply(alice, session.id, saying("  "))

    assert await log_of(sessions, alice, session.id) == []
