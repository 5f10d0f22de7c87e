"""What native requests carry."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.config import JsonValue

from service.api.kit.bounds import (
    SAYS_SOMETHING,
    Id,
    Key,
    MessageContent,
    Metadata,
    Name,
    ReasoningContent,
    SpokenContent,
    Title,
    ToolCalls,
    examples,
)
from service.api.kit.reading import Body, Integer, Query, WholeNumber
from service.domain.chat.completion import ChatRequest
from service.domain.extra_fields import null_fields, unknown_fields
from service.domain.models import (
    DEFAULT_CONTEXT_RESULTS,
    Content,
    JsonObject,
    ListPage,
    NewMessage,
    NewSession,
    Role,
    SessionSettings,
    SortBy,
)
from service.domain.rules import MAX_CONTEXT_RESULTS, MAX_KEY_CHARS
from service.domain.window import Window

MAX_SKIP = 2**31 - 1
# At once, and so that a key with the place of a message is not too long.
MAX_APPENDED = 100
MAX_APPEND_KEY_CHARS = MAX_KEY_CHARS - len(f":{MAX_APPENDED}")
Skip = Annotated[Integer, Field(ge=0, le=MAX_SKIP)]
SEQ = Field(ge=0, lt=2**53)
Included = Literal["seq", "id", "created_at"]
MESSAGE_EXAMPLES: list[JsonValue] = [
    {"role": "user", "content": "What is the capital of France?"},
    {"role": "assistant", "content": "Paris", "metadata": {"model": "demo"}, "id": "answer-1"},
]


class CreateQuery(Query):
    agent_id: Id
    max_context_results: Annotated[Integer, Field(ge=1, le=MAX_CONTEXT_RESULTS)] = (
        DEFAULT_CONTEXT_RESULTS
    )
    title: Title | None = None
    key: Key | None = None
    user_id: Id | None = None

    def to_domain(self) -> NewSession:
        return NewSession(**self.model_dump())


def _as_list(text: str) -> list[str]:
    return text.split(",") if text else []


class HistoryQuery(Query):
    limit: Annotated[Integer, Field(ge=1, le=1000)] = 20
    skip: Skip = 0
    include: Annotated[frozenset[Included], BeforeValidator(_as_list)] = frozenset()

    def newest(self) -> Window:
        return Window(limit=self.limit, skip=self.skip, newest=True)


class LogQuery(HistoryQuery):
    after_seq: Annotated[Integer, SEQ] = 0
    before_seq: Annotated[Integer, SEQ] | None = None
    order: Literal["asc", "desc"] = "asc"

    def window(self) -> Window:
        return Window(
            limit=self.limit,
            skip=self.skip,
            newest=self.order == "desc",
            after=self.after_seq,
            before=self.before_seq,
        )


def _as_direction(text: object) -> object:
    return {"1": 1, "-1": -1}.get(str(text), text)


class ListQuery(Query):
    limit: Annotated[Integer, Field(ge=1, le=100)] = 20
    skip: Skip = 0
    sort_by: SortBy = SortBy.CREATED_AT
    sort_order: Annotated[Literal[-1, 1], BeforeValidator(_as_direction)] = -1

    def to_domain(self) -> ListPage:
        return ListPage(
            limit=self.limit,
            skip=self.skip,
            sort_by=self.sort_by,
            descending=self.sort_order == -1,
        )


def _as_content(value: object) -> object:
    is_parts = isinstance(value, list) and all(isinstance(part, dict) for part in value)
    if value is None or isinstance(value, str) or is_parts:
        return value
    raise ValueError("must be text, a list of objects, or null")


class MessageBody(Body):
    """A message; fields that are not listed here are kept with it, and shown again."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra=SAYS_SOMETHING | {"examples": MESSAGE_EXAMPLES}
    )

    role: Role
    content: Annotated[MessageContent, BeforeValidator(_as_content)] = None
    reasoning_content: ReasoningContent | None = None
    name: Name | None = None
    tool_calls: Annotated[list[JsonObject] | None, ToolCalls] = None
    tool_call_id: Name | None = None
    metadata: Metadata | None = None
    id: Key | None = None

    def to_domain(self, idempotency_key: str | None) -> NewMessage:
        fields = {name: getattr(self, name) for name in type(self).model_fields if name != "id"}
        client_key = self.id if idempotency_key is None else idempotency_key
        extra = unknown_fields(self) | null_fields(self)
        return NewMessage(**fields, extra=extra or None, client_key=client_key)


class AppendBody(Body):
    model_config = examples({"messages": MESSAGE_EXAMPLES})

    messages: Annotated[list[MessageBody], Field(min_length=1, max_length=MAX_APPENDED)]
    if_end: Annotated[WholeNumber, SEQ] | None = None

    def to_domain(self, idempotency_key: str | None) -> list[NewMessage]:
        """Return the messages; the key of the request gives each its own, by its place."""
        return [
            message.to_domain(idempotency_key and f"{idempotency_key}:{place}")
            for place, message in enumerate(self.messages)
        ]


class UpdateBody(Body):
    """What of a session to change: null removes it, what is left out stays as it is."""

    model_config = examples({"title": "Capitals of Europe", "metadata": {"pinned": True}})

    title: Title | None = None
    metadata: Metadata | None = None
    max_context_results: Annotated[WholeNumber, Field(ge=1, le=MAX_CONTEXT_RESULTS)] | None = None

    def changes(self) -> JsonObject:
        """Return the changed fields with their new values; what is removed has its default."""
        defaults = SessionSettings.model_fields
        given = {field: getattr(self, field) for field in self.model_fields_set}
        return {f: defaults[f].default if value is None else value for f, value in given.items()}


class ChatBody(Body):
    model_config = examples({"content": "What is the capital of France?", "stream": False})

    content: Annotated[Content, SpokenContent]
    stream: bool | None = None

    def to_domain(self, idempotency_key: str | None) -> ChatRequest:
        message = NewMessage(role=Role.USER, content=self.content)
        return ChatRequest(messages=[message], idempotency_key=idempotency_key)
