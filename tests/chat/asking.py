"""What the chat tests say, and what they inspect."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from service.domain.access import Caller
from service.domain.chat.completion import ChatRequest
from service.domain.models import Message, NewMessage, Role
from service.domain.sessions import Sessions
from service.domain.window import Window
from service.llm.scripted import Script

CALL: dict[str, Any] = {
    "id": "c1",
    "type": "function",
    "function": {"name": "find", "arguments": '{"q": "x"}'},
}


def user(text: str, **fields: Any) -> NewMessage:
    return NewMessage(role=Role.USER, content=text, **fields)


def assistant(text: str | None, **fields: Any) -> NewMessage:
    return NewMessage(role=Role.ASSISTANT, content=text, **fields)


def system(text: str) -> NewMessage:
    return NewMessage(role=Role.SYSTEM, content=text)


def result(text: str, call_id: str = "c1") -> NewMessage:
    return NewMessage(role=Role.TOOL, content=text, tool_call_id=call_id)


def saying(*texts: str, **fields: Any) -> ChatRequest:
    return ChatRequest(messages=[user(text) for text in texts], **fields)


async def log_of(sessions: Sessions, caller: Caller, session_id: UUID) -> list[Message]:
    _, messages = await sessions.read(caller, session_id, Window(limit=1000))
    return messages


def said(messages: Sequence[NewMessage]) -> list[tuple[str, Any]]:
    return [(message.role.value, message.content) for message in messages]


def asked(script: Script, call: int = -1) -> list[tuple[str, Any]]:
    """Return the prompt of a call to the model: roles and contents."""
    return [(m["role"], m["content"]) for m in script.requests[call]["messages"]]
