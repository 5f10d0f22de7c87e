"""What goes to a chat model and what comes back, independent of the provider."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from service.domain.models import Frozen, JsonObject, Message, NewMessage, Usage, utc_now


class ModelSettings(Frozen):
    """How the model should respond; None leaves it to the model.

    `tools` None gives it the session's own tools.
    """

    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    response_format: JsonObject | None = None
    logit_bias: dict[str, float] | None = None
    tools: list[JsonObject] | None = None
    tool_choice: Any = None


class Completion(Frozen):
    """One answer: an assistant's message with content, tool calls, or both.

    `message` is the stored one, with its `seq`, where the turn is remembered.
    """

    message: Message
    finish_reason: str
    usage: Usage = Usage()


class ToolCallDelta(Frozen):
    """A piece of a tool call that is being streamed.

    Pieces with the same `index` are one call; `arguments` are to be joined, `id` and
    `name` come with its first piece.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class ReasoningDelta(Frozen):
    """A piece of what the model thinks, apart from what it says."""

    text: str


Delta = str | ReasoningDelta | ToolCallDelta


class ChatRequest(Frozen):
    """One turn of a chat.

    `recall` gives the model the stored window; `remember` stores the messages and the
    answer, in this order and in one append, once the model has answered. A turn with an
    `idempotency_key` is stored once: sent again, it gets the stored answer.
    """

    messages: list[NewMessage]
    recall: bool = True
    remember: bool = True
    settings: ModelSettings = ModelSettings()
    idempotency_key: str | None = None


class Suggestion(Frozen):
    """What the model proposes that the target, `user` or `agent`, says after a message."""

    message_id: UUID
    target: str
    content: str
    created_at: datetime = Field(default_factory=utc_now)


def deltas_of(message: NewMessage) -> list[Delta]:
    """Return a whole answer as the pieces a stream of it may have."""
    content, calls = message.content, message.tool_calls or []
    reasoning = message.reasoning_content
    thought: list[Delta] = [ReasoningDelta(text=reasoning)] if reasoning else []
    text: list[Delta] = [content] if isinstance(content, str) and content else []
    return [*thought, *text, *(_delta_of(i, call) for i, call in enumerate(calls))]


def _delta_of(index: int, call: JsonObject) -> ToolCallDelta:
    function = call.get("function", {})
    return ToolCallDelta(
        index=index,
        id=call.get("id"),
        name=function.get("name"),
        arguments=function.get("arguments", ""),
    )
