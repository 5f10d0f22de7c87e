"""Streamed chats in the Julep dialect."""

from service.llm.scripted import Script, Step
from tests.api.asking import Api
from tests.api.julep_asking import history, make_session
from tests.api.julep_chatting import CALL, TOOL, chunks_of, send


async def test_a_stream_sends_the_text_in_pieces_and_then_the_rest(
    talker: Api, script: Script
) -> None:
    session_id = await make_session(talker)
    script.steps.append(Step(text="It is three below.", usage=(12, 3)))

    *pieces, last = chunks_of(await send(talker, session_id, stream=True))

    [_, stored] = await history(talker, session_id)
    assert len(pieces) > 1
    assert {chunk["id"] for chunk in pieces} == {last["id"]}
    assert {chunk["finish_reason"] for chunk in pieces} == {None}
    assert "".join(chunk["response"][0][0]["content"] for chunk in pieces) == stored["content"]
    assert stored["content"] == "It is three below."
    assert last.pop("id")
    assert last == {
        "finish_reason": "stop",
        "response": [[stored | {"content": ""}]],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
        "jobs": [],
        "doc_ids": {"agent_doc_ids": [], "user_doc_ids": []},
    }


async def test_a_streamed_tool_call_arrives_whole(talker: Api, script: Script) -> None:
    session_id = await make_session(talker, tools=[TOOL])
    script.steps.append(Step(tool_calls=[CALL]))

    [chunk] = chunks_of(await send(talker, session_id, stream=True))

    [_, stored] = await history(talker, session_id)
    assert chunk["finish_reason"] == "tool_calls"
    assert chunk["response"] == [[stored]]


async def test_a_stream_that_breaks_off_ends_in_an_error_and_stores_nothing(
    talker: Api, script: Script
) -> None:
    session_id = await make_session(talker)
    script.steps.append(Step(text="one two three", cut_after=2))

    answer = await send(talker, session_id, stream=True)

    assert answer.status_code == 200
    *_, error, rest = answer.text.split("\n\n")
    assert rest == ""
    assert error.startswith('event: error\ndata: {"detail":"The chat model ')
    assert "[DONE]" not in answer.text
    assert await history(talker, session_id) == []
