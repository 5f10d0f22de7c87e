"""What a model's provider sends, read strictly: what is not an answer becomes ModelFailed."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, Field

from service.domain.chat.completion import Completion, Delta, ToolCallDelta
from service.domain.errors import InvalidInput, ModelFailed, TooLarge
from service.domain.models import JsonObject, Message, Role, Usage
from service.domain.rules import MAX_CONTENT_BYTES, MAX_TOOL_CALLS_BYTES, check_message

FINISH_REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}
MAX_TOOL_CALLS = 128


class ProviderUsage(BaseModel):
    prompt_tokens: int = Field(0, ge=0)
    completion_tokens: int = Field(0, ge=0)


class Function(BaseModel):
    name: str
    arguments: str = ""


class ToolCall(BaseModel):
    id: str
    function: Function


class AnswerMessage(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(BaseModel):
    message: AnswerMessage
    finish_reason: str | None = None


class Answer(BaseModel):
    choices: list[Choice] = Field(min_length=1)
    usage: ProviderUsage | None = None

    def to_domain(self) -> Completion:
        choice = self.choices[0]
        return completion(
            choice.message.content or choice.message.refusal,
            choice.message.tool_calls or [],
            choice.finish_reason,
            self.usage,
        )


class FunctionDelta(BaseModel):
    name: str | None = None
    arguments: str | None = None


class CallDelta(BaseModel):
    index: int = Field(ge=0, lt=MAX_TOOL_CALLS)
    id: str | None = None
    function: FunctionDelta = FunctionDelta()


class MessageDelta(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[CallDelta] | None = None


class ChunkChoice(BaseModel):
    delta: MessageDelta | None = None
    finish_reason: str | None = None


class Chunk(BaseModel):
    choices: list[ChunkChoice] = []
    usage: ProviderUsage | None = None


class StreamedAnswer:
    """Puts the chunks of a stream together again."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._calls: dict[int, list[CallDelta]] = {}
        self._finish_reason: str | None = None
        self._usage: ProviderUsage | None = None
        self._size = 0

    def add(self, chunk: Chunk) -> Iterator[Delta]:
        """Take a chunk in, and yield what it adds to the answer."""
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices[:1]:
            self._finish_reason = choice.finish_reason or self._finish_reason
            yield from self._add(choice.delta or MessageDelta())

    def to_domain(self) -> Completion:
        """Return the whole answer.

        Raises:
            ModelFailed: the stream ended before the answer did.
        """
        if self._finish_reason is None:
            raise ModelFailed("broke off in the middle of its answer")
        calls = [_joined(deltas) for _, deltas in sorted(self._calls.items())]
        return completion("".join(self._texts), calls, self._finish_reason, self._usage)

    def _add(self, delta: MessageDelta) -> Iterator[Delta]:
        text = delta.content or delta.refusal
        if text:
            self._grow(text)
            self._texts.append(text)
            yield text
        for call in delta.tool_calls or []:
            arguments = call.function.arguments or ""
            self._grow(arguments)
            self._calls.setdefault(call.index, []).append(call)
            yield ToolCallDelta(
                index=call.index, id=call.id, name=call.function.name, arguments=arguments
            )

    def _grow(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_CONTENT_BYTES + MAX_TOOL_CALLS_BYTES:
            raise ModelFailed("gave an answer that is too long")


def _joined(deltas: Sequence[CallDelta]) -> ToolCall:
    ids = (delta.id for delta in deltas if delta.id)
    names = (delta.function.name for delta in deltas if delta.function.name)
    arguments = "".join(delta.function.arguments or "" for delta in deltas)
    return ToolCall(id=next(ids, ""), function=Function(name=next(names, ""), arguments=arguments))


def completion(
    text: str | None,
    calls: Sequence[ToolCall],
    finish_reason: str | None,
    usage: ProviderUsage | None,
) -> Completion:
    """Return the answer, if it is one that can be stored.

    Raises:
        ModelFailed: it is empty, too large, or holds what no message may.
    """
    if any(not call.id or not call.function.name for call in calls):
        raise ModelFailed("called a tool without an id or a name")
    message = Message(
        role=Role.ASSISTANT, content=text or None, tool_calls=list(map(_call_view, calls)) or None
    )
    try:
        check_message(message)
    except (InvalidInput, TooLarge):
        raise ModelFailed("gave an answer that is empty, too long, or cannot be stored") from None
    return Completion(
        message=message,
        finish_reason=_known(finish_reason, calls),
        usage=Usage(**usage.model_dump()) if usage else Usage(),
    )


def _call_view(call: ToolCall) -> JsonObject:
    function: dict[str, Any] = call.function.model_dump()
    return {"id": call.id, "type": "function", "function": function}


def _known(finish_reason: str | None, calls: Sequence[ToolCall]) -> str:
    if finish_reason in FINISH_REASONS:
        return str(finish_reason)
    return "tool_calls" if calls else "stop"
