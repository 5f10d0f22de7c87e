"""A prompt is sent as model servers accept it, whatever the log contains."""

from typing import Any

import pytest

from service.domain.errors import InvalidInput
from service.domain.models import NewMessage, Role
from service.llm.prompt_view import name_view, prompt_view
from tests.chat.asking import CALL, assistant, result, system, user

TEXT = {"type": "text", "text": "Hello"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


@pytest.mark.parametrize(
    "blank",
    [
        user("  \n"),
        assistant(""),
        system("\t"),
        assistant("\u00a0"),
        user("x").model_copy(update={"content": [{"type": "text", "text": " "}]}),
        user("x").model_copy(update={"content": []}),
        user("x").model_copy(update={"content": [{"type": "text"}]}),
    ],
    ids=lambda message: f"{message.role} {message.content!r}",
)
def test_a_blank_turn_is_left_out(blank: NewMessage) -> None:
    views = prompt_view([blank, user("Hello"), blank])

    assert views == [{"role": "user", "content": "Hello"}]


def test_a_turn_that_calls_tools_stays_without_its_blanks() -> None:
    [view] = prompt_view([assistant("  ", tool_calls=[CALL])])

    assert view == {"role": "assistant", "content": None, "tool_calls": [CALL]}


def test_a_developer_is_called_system_as_all_servers_know_it() -> None:
    [view] = prompt_view([NewMessage(role=Role.DEVELOPER, content="Be brief.")])

    assert view == {"role": "system", "content": "Be brief."}


def test_unknown_fields_are_not_sent() -> None:
    [view] = prompt_view([assistant("Hi").model_copy(update={"extra": {"refusal": None}})])

    assert view == {"role": "assistant", "content": "Hi"}


def test_an_empty_tool_result_stays() -> None:
    [view] = prompt_view([result(" ")])

    assert view == {"role": "tool", "content": "", "tool_call_id": "c1"}


def test_blank_parts_are_left_out_and_others_stay() -> None:
    parts: list[dict[str, Any]] = [{"type": "text", "text": ""}, IMAGE, TEXT]

    [view] = prompt_view([NewMessage(role=Role.USER, content=parts)])

    assert view["content"] == [IMAGE, TEXT]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("ada", "ada"),
        ("Zoë O'Neill <ops>", "Zoe_O_Neill_ops"),
        ("a.b@example.com", "a_b_example_com"),
        ("  ada ", "ada"),
        ("x" * 100, "x" * 64),
        ("李雷", None),
        ("<>", None),
        (None, None),
    ],
)
def test_a_name_is_written_in_characters_that_servers_accept(
    name: str | None, sent: str | None
) -> None:
    assert name_view(name) == sent
    [view] = prompt_view([user("Hello", name=name)])
    assert view.get("name") == sent


def test_the_name_of_a_called_tool_is_written_that_way_too() -> None:
    call = {**CALL, "function": {"name": "get weather!", "arguments": "{}"}}

    [view] = prompt_view([assistant(None, tool_calls=[call])])

    assert view["tool_calls"] == [{**CALL, "function": {"name": "get_weather", "arguments": "{}"}}]


def test_reasoning_is_sent_if_the_message_has_it() -> None:
    [view] = prompt_view([assistant(None, tool_calls=[CALL], reasoning_content="Let me look.")])

    assert view["reasoning_content"] == "Let me look."


def test_a_prompt_of_nothing_but_blanks_is_refused() -> None:
    with pytest.raises(InvalidInput, match="more than blanks"):
        prompt_view([user(" ")])
