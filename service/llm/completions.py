"""What a model's provider sends, read strictly where it matters: the rest is kept or ignored."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.domain.chat.completion import Completion, Delta, ReasoningDelta, ToolCallDelta
from service.domain.errors import InvalidInput, ModelFailed, TooLarge
from service.domain.extra_fields import unknown_fields
from service.domain.models import JsonObject, Message, Role, Usage
from service.domain.rules import (
    MAX_CONTENT_BYTES,
    MAX_REASONING_BYTES,
    MAX_TOOL_CALLS_BYTES,
    check_message,
)
from service.llm.text import TextStream, fit

FINISH_REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}
MAX_TOOL_CALLS = 128
MAX_COMPLETION_BYTES = MAX_CONTENT_BYTES + MAX_REASONING_BYTES + MAX_TOOL_CALLS_BYTES


def _as_count(value: object) -> object:
    return value if isinstance(value, int) and value >= 0 else 0


def _if_text(value: object) -> object:
    return value if isinstance(value, str) else None


def _if_object(value: object) -> object:
    return value if isinstance(value, dict) else None


def _objects_in(value: object) -> object:
    """Return the objects of a list: some servers send null for nothing."""
    return [item for item in value if item is not None] if isinstance(value, list) else value or []


# Optional parts of a response are read if they make sense, and ignored otherwise.
Count = Annotated[int, BeforeValidator(_as_count)]
OptionalText = Annotated[str | None, BeforeValidator(_if_text)]


class ProviderUsage(BaseModel):
    prompt_tokens: Count = 0
    completion_tokens: Count = 0


OptionalUsage = Annotated[ProviderUsage | None, BeforeValidator(_if_object)]


class Answer(BaseModel):
    """What a message and a piece of one have in common; fields without a name here are kept.

    What a model thought has two names: DeepSeek's, and that of OpenRouter and vLLM.
    """

    model_config = ConfigDict(extra="allow")

    role: Any = None
    reasoning_content: OptionalText = None
    reasoning: OptionalText = None

    @property
    def thought(self) -> str | None:
        # A server that is moving from one name to the other sends the same text in both.
        return self.reasoning_content or self.reasoning

    @property
    def others(self) -> JsonObject:
        """The fields that a provider adds, such as annotations, where they are not null."""
        return {field: v for field, v in unknown_fields(self).items() if v is not None}


class Function(BaseModel):
    name: str
    arguments: str = ""


class ToolCall(BaseModel):
    id: str
    function: Function


class CompletedMessage(Answer):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(BaseModel):
    message: CompletedMessage
    finish_reason: OptionalText = None


class Response(BaseModel):
    choices: list[Choice] = Field(min_length=1)
    usage: OptionalUsage = None

    def to_domain(self) -> Completion:
        """Return the completion.

        Raises:
            ModelFailed: it cannot be stored.
        """
        choice = self.choices[0]
        return completion(
            choice.message.content or choice.message.refusal,
            choice.message.thought,
            choice.message.tool_calls or [],
            choice.finish_reason,
            usage=self.usage,
            others=choice.message.others,
        )


class FunctionDelta(BaseModel):
    name: str | None = None
    arguments: str | None = None


class CallDelta(BaseModel):
    index: int = Field(ge=0, lt=MAX_TOOL_CALLS)
    id: str | None = None
    function: Annotated[FunctionDelta, BeforeValidator(lambda value: value or {})] = FunctionDelta()


class MessageDelta(Answer):
    content: str | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[CallDelta], BeforeValidator(_objects_in)] = []


class ChunkChoice(BaseModel):
    delta: MessageDelta | None = None
    finish_reason: OptionalText = None


class Chunk(BaseModel):
    choices: Annotated[list[ChunkChoice], BeforeValidator(_objects_in)] = []
    usage: OptionalUsage = None


class StreamedCall:
    """A tool call that comes in pieces."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.arguments = TextStream()

    def add(self, delta: CallDelta) -> ToolCallDelta:
        new_id = fit(delta.id) if delta.id and not self.id else None
        name = fit(delta.function.name) if delta.function.name and not self.name else None
        self.id, self.name = self.id or new_id, self.name or name
        arguments = self.arguments.add(delta.function.arguments or "")
        return ToolCallDelta(index=delta.index, id=new_id, name=name, arguments=arguments)

    def whole(self) -> ToolCall:
        function = Function(name=self.name or "", arguments=self.arguments.text)
        return ToolCall(id=self.id or "", function=function)


class StreamedCompletion:
    """Puts the chunks of a stream together again."""

    def __init__(self) -> None:
        self._content = TextStream()
        self._reasoning = TextStream()
        self._calls: dict[int, StreamedCall] = {}
        self._others: JsonObject = {}
        self._finish_reason: str | None = None
        self._usage: ProviderUsage | None = None
        self._size = 0

    def add(self, chunk: Chunk) -> Iterator[Delta]:
        """Take in a chunk, and yield what it adds to the completion.

        Raises:
            ModelFailed: the completion is too long.
        """
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices[:1]:
            self._finish_reason = choice.finish_reason or self._finish_reason
            yield from self._add(choice.delta or MessageDelta())

    def end(self) -> Iterator[Delta]:
        """Yield what was held back: the stream has ended.

        Raises:
            ModelFailed: the stream ended before the completion did.
        """
        if self._finish_reason is None:
            raise ModelFailed("broke off in the middle of its response", may_pass=True)
        yield from _texts(self._reasoning.end(), self._content.end())
        for index, call in sorted(self._calls.items()):
            if arguments := call.arguments.end():
                yield ToolCallDelta(index=index, arguments=arguments)

    def to_domain(self) -> Completion:
        """Return the whole completion.

        Raises:
            ModelFailed: it cannot be stored.
        """
        calls = [call.whole() for _, call in sorted(self._calls.items())]
        thought = self._reasoning.text
        return completion(
            self._content.text,
            thought,
            calls,
            self._finish_reason,
            usage=self._usage,
            others=self._others,
        )

    def _add(self, delta: MessageDelta) -> Iterator[Delta]:
        thought, text = delta.thought or "", delta.content or delta.refusal or ""
        self._grow(thought, text)
        yield from _texts(self._reasoning.add(thought), self._content.add(text))
        for field, pieces in delta.others.items():
            # How pieces of anything else belong together, only its provider knows.
            if isinstance(pieces, list):
                self._grow(json.dumps(pieces))
                self._others.setdefault(field, []).extend(pieces)
        for call in delta.tool_calls:
            self._grow(call.function.arguments or "")
            yield self._calls.setdefault(call.index, StreamedCall()).add(call)

    def _grow(self, *texts: str) -> None:
        self._size += sum(map(len, texts))
        if self._size > MAX_COMPLETION_BYTES:
            raise ModelFailed("gave a response that is too long")


def _texts(thought: str, text: str) -> Iterator[Delta]:
    if thought:
        yield ReasoningDelta(text=thought)
    if text:
        yield text


def completion(
    text: str | None,
    thought: str | None,
    calls: Sequence[ToolCall],
    finish_reason: str | None,
    *,
    usage: ProviderUsage | None,
    others: JsonObject,
) -> Completion:
    """Return the completion, if it can be stored. One that has ended may have no text.

    It goes without the fields that a provider adds where these alone cannot be stored.

    Raises:
        ModelFailed: it is too large, or nothing, or holds what no message may.
    """
    if any(not call.id or not call.function.name for call in calls):
        raise ModelFailed("called a tool without an id or a name")
    if not text and not calls:
        text = "" if finish_reason else None
    message = Message(
        role=Role.ASSISTANT,
        content=text or (None if calls else text),
        reasoning_content=thought or None,
        tool_calls=list(map(_call_view, calls)) or None,
    )
    try:
        check_message(message)
    except (InvalidInput, TooLarge):
        raise ModelFailed("gave a response that is empty, too long, or cannot be stored") from None
    if others:
        complete = message.model_copy(update={"extra": others})
        with suppress(InvalidInput, TooLarge):
            check_message(complete)
            message = complete
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
