"""The call that a result answers if it names only the tool."""

from typing import Any

from service.domain.chat.tool_results import paired, with_tool_calls
from service.domain.models import NewMessage, Role


def calls(*ids_and_names: tuple[str, str]) -> NewMessage:
    tool_calls: list[dict[str, Any]] = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for call_id, name in ids_and_names
    ]
    return NewMessage(role=Role.ASSISTANT, tool_calls=tool_calls)


def result(name: str | None = None, call_id: str | None = None) -> NewMessage:
    return NewMessage(role=Role.TOOL, content="done", name=name, tool_call_id=call_id)


def said(role: Role) -> NewMessage:
    return NewMessage(role=role, content="words")


def answered(stored: list[NewMessage], *new: NewMessage) -> list[str | None]:
    return [message.tool_call_id for message in paired(stored, new)]


def test_a_result_answers_the_call_of_its_name() -> None:
    stored = [calls(("c1", "search"), ("c2", "weather"))]

    assert answered(stored, result("weather")) == ["c2"]


def test_a_result_may_answer_a_call_it_came_with() -> None:
    messages = paired([], [calls(("c1", "search")), result("search")])

    assert [message.tool_call_id for message in messages] == [None, "c1"]


def test_results_of_one_tool_answer_its_calls_in_order() -> None:
    stored = [calls(("c1", "search"), ("c2", "search"))]

    assert answered(stored, result("search"), result("search")) == ["c1", "c2"]


def test_a_result_does_not_answer_a_call_that_has_one() -> None:
    stored = [calls(("c1", "search"), ("c2", "search")), result(call_id="c1")]

    assert answered(stored, result("search")) == ["c2"]


def test_a_result_without_a_name_answers_the_first_call_without_a_result() -> None:
    stored = [calls(("c1", "search"), ("c2", "weather"))]

    assert answered(stored, result(), result()) == ["c1", "c2"]


def test_a_result_with_an_id_keeps_it() -> None:
    stored = [calls(("c1", "search"))]

    assert answered(stored, result("search", "mine")) == ["mine"]


def test_a_result_does_not_answer_a_call_once_more_was_said() -> None:
    for role in (Role.USER, Role.ASSISTANT):
        stored = [calls(("c1", "search")), said(role)]

        assert answered(stored, result("search")) == [None]


def test_a_system_message_may_stand_between_call_and_result() -> None:
    stored = [calls(("c1", "search")), said(Role.SYSTEM)]

    assert answered(stored, result("search")) == ["c1"]


def test_a_result_of_another_tool_answers_nothing() -> None:
    assert answered([calls(("c1", "search"))], result("weather")) == [None]


def test_calls_of_unknown_shape_are_not_answered() -> None:
    odd = NewMessage(role=Role.ASSISTANT, tool_calls=[{"id": 7}, {"function": "x"}])

    assert answered([odd], result("x")) == [None]


def test_other_messages_stay_as_they_are() -> None:
    new = [said(Role.USER), calls(("c1", "search"))]

    assert paired([], new) == new


def calls_function(name: str) -> NewMessage:
    called = {"name": name, "arguments": "{}"}
    return NewMessage(role=Role.ASSISTANT, extra={"function_call": called})


def function_result(name: str) -> NewMessage:
    return NewMessage(role=Role.FUNCTION, content="done", name=name)


def test_functions_become_tools_each_result_with_its_call() -> None:
    messages = with_tool_calls(
        [
            calls_function("search"),
            function_result("search"),
            calls_function("weather"),
            function_result("weather"),
            said(Role.USER),
        ]
    )

    called = [message.tool_calls[0] for message in messages if message.tool_calls]
    results = [message for message in messages if message.role is Role.TOOL]
    assert [call["function"]["name"] for call in called] == ["search", "weather"]
    assert [call["id"] for call in called] == [result.tool_call_id for result in results]
    assert len({result.tool_call_id for result in results}) == 2
    assert messages[-1] == said(Role.USER)


def test_without_functions_nothing_changes() -> None:
    messages = [calls(("c1", "search")), result("search"), said(Role.DEVELOPER)]

    assert with_tool_calls(messages) == messages
