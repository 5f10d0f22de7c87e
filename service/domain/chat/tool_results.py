"""Results of tool calls that name the tool but not the call: which call they answer.

OpenAI's functions, from before there were tools, are such calls, too.
"""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from service.domain.access import Caller
from service.domain.models import JsonObject, NewMessage, Role
from service.domain.sessions import Sessions
from service.domain.window import Window

AnyMessage = TypeVar("AnyMessage", bound=NewMessage)

# A call and its results stand close together; nothing older is looked at.
WINDOW_MESSAGES = 100


async def with_call_ids(
    sessions: Sessions, caller: Caller, session_id: UUID, messages: Sequence[NewMessage]
) -> list[NewMessage]:
    """Return the messages with the ids of the calls that their results answer, where one does.

    Raises:
        SessionNotFound, SessionForeign: there is no such session for this caller.
    """
    if all(m.role is not Role.TOOL or m.tool_call_id is not None for m in messages):
        return list(messages)
    window = Window(limit=WINDOW_MESSAGES, newest=True)
    _, stored = await sessions.read(caller, session_id, window)
    return paired(stored, messages)


def paired(stored: Sequence[AnyMessage], new: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the new messages, each result with the id of its call.

    That is the first call of the tool, of those made just before, that has no result yet;
    without a name, the first of any. What answers no call stays as it is.
    """
    waiting: dict[str, str | None] = {}
    messages = [_answering(message, waiting) for message in (*stored, *new)]
    return messages[len(stored) :]


def with_tool_calls(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the messages with calls of functions, and their results, as models take them now.

    https://platform.openai.com/docs/api-reference/chat/create (function_call, deprecated)
    """
    if all(message.role is not Role.FUNCTION for message in messages):
        return list(messages)
    found: list[AnyMessage] = []
    for place, message in enumerate(messages):
        called = (message.extra or {}).get("function_call")
        change: JsonObject = {}
        if isinstance(called, dict) and message.tool_calls is None:
            call = {"id": f"function_{place}", "type": "function", "function": called}
            change = {"tool_calls": [call]}
        elif message.role is Role.FUNCTION:
            change = {"role": Role.TOOL}
        found.append(message.model_copy(update=change))
    return paired((), found)


def _answering(message: AnyMessage, waiting: dict[str, str | None]) -> AnyMessage:
    """Return the message with its call's id, and keep the calls that wait for results."""
    if message.role is Role.TOOL:
        call_id = message.tool_call_id or _first_of(message.name, waiting)
        waiting.pop(call_id or "", None)
        return message.model_copy(update={"tool_call_id": call_id})
    if not message.role.instructs:
        waiting.clear()
        waiting.update(
            (call_id, _name_of(call))
            for call in message.tool_calls or ()
            if (call_id := _id_of(call))
        )
    return message


def _first_of(name: str | None, waiting: dict[str, str | None]) -> str | None:
    return next((call_id for call_id, called in waiting.items() if name in {None, called}), None)


def _id_of(call: JsonObject) -> str | None:
    call_id = call.get("id")
    return call_id if isinstance(call_id, str) else None


def _name_of(call: JsonObject) -> str | None:
    function = call.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None
