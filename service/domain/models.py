"""The nouns: a session (a head and a log), a message (one entry of the log), and their user."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field

JsonObject = dict[str, Any]
Content = str | list[JsonObject] | None

MAX_PREVIEW_CHARS = 200
DEFAULT_CONTEXT_RESULTS = 1


def utc_now() -> datetime:
    """Return the time in UTC, cut to milliseconds: BSON keeps no more."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _as_created(fields: JsonObject) -> datetime:
    """Return the one time of making: two clocks may read a millisecond apart."""
    created_at: datetime = fields["created_at"]
    return created_at


class Role(StrEnum):
    """Who speaks. OpenAI's newer models call `system` `developer`; its first tools were functions.

    Both pairs mean the same to a window, and each message keeps the name it came with:
    https://platform.openai.com/docs/api-reference/chat/create
    """

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    DEVELOPER = "developer"
    TOOL = "tool"
    FUNCTION = "function"

    @property
    def instructs(self) -> bool:
        """Whether it tells the model how to behave: a window never leaves it out."""
        return self in {Role.SYSTEM, Role.DEVELOPER}

    @property
    def answers_a_call(self) -> bool:
        """Whether it holds the result of a tool call."""
        return self in {Role.TOOL, Role.FUNCTION}


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NewMessage(Frozen):
    """What a caller hands in. `client_key` makes the append idempotent within its session.

    `reasoning_content` is what a model thought before an assistant's message, apart from it.
    `extra` holds the fields this service does not know, as they came; null where the message
    had one of the others as null.
    """

    role: Role
    content: Content = None
    reasoning_content: str | None = None
    name: str | None = None
    tool_calls: list[JsonObject] | None = None
    tool_call_id: str | None = None
    metadata: JsonObject | None = None
    extra: JsonObject | None = None
    client_key: str | None = None

    def said(self) -> JsonObject:
        """Return the message as it came, but for metadata and key; `content` stands there always.

        `extra` is no field there: each of its own is.
        """
        shown: JsonObject = {"role": self.role, "content": self.content}
        if self.reasoning_content is not None:
            shown["reasoning_content"] = self.reasoning_content
        if self.name is not None:
            shown["name"] = self.name
        if self.tool_calls is not None:
            shown["tool_calls"] = self.tool_calls
        if self.tool_call_id is not None:
            shown["tool_call_id"] = self.tool_call_id
        if self.extra is not None:
            shown |= self.extra
        return shown


class Usage(Frozen):
    """What a model says an answer has cost; all zero when it says nothing."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class Message(NewMessage):
    """An entry of the log: `seq` gives its place, and is never given to another message.

    `usage` accompanies a model's response when the model reported it.
    """

    seq: int = 0
    id: UUID = Field(default_factory=uuid4)
    created_at: datetime = Field(default_factory=utc_now)
    usage: Usage | None = None


class Preview(Frozen):
    """The beginning of a session's last message, for lists."""

    role: Role
    text: str


class ContextOverflow(StrEnum):
    """What to do when a conversation no longer fits into its token budget."""

    TRUNCATE = "truncate"
    ADAPTIVE = "adaptive"


class SessionSettings(Frozen):
    """What the owner of a session sets and may change."""

    title: str | None = None
    metadata: JsonObject | None = None
    max_context_results: int = DEFAULT_CONTEXT_RESULTS
    situation: str | None = None
    render_templates: bool = False
    token_budget: int | None = None
    context_overflow: ContextOverflow | None = None
    tools: list[JsonObject] | None = None


class NewSession(SessionSettings):
    agent_id: str
    user_id: str | None = None
    key: str | None = None
    is_test: bool = False


class Session(NewSession):
    """The head of a session.

    The log holds the messages `start` … `end`, both included and without a gap; it is
    empty when `end == start - 1`. Messages before `start` are gone for good. `summary`
    stands for the messages up to `summary_end` where a window has no room for them.
    """

    user_id: str
    id: UUID = Field(default_factory=uuid4)
    created_at: datetime = Field(default_factory=utc_now)
    last_active: datetime = Field(default_factory=_as_created)
    start: int = 1
    end: int = 0
    preview: Preview | None = None
    summary: str | None = None
    summary_end: int = 0

    @property
    def message_count(self) -> int:
        return self.end - self.start + 1


class User(Frozen):
    """The profile of a user. Its id is the `user_id` of the user's sessions."""

    id: str
    metadata: JsonObject | None = None
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=_as_created)


class SortBy(StrEnum):
    """What lists can be sorted by: the fields that have an index."""

    CREATED_AT = "created_at"
    LAST_ACTIVE = "last_active"


class ListPage(Frozen):
    """One page of a list of sessions; sessions with equal times follow their ids."""

    limit: int
    skip: int = 0
    sort_by: SortBy = SortBy.CREATED_AT
    descending: bool = True


class Selection(Frozen):
    """Which sessions a list shows: those that match all that is given.

    `metadata` compares top-level values for equality.
    """

    user_id: str | None = None
    agent_id: str | None = None
    tests_only: bool = False
    metadata: JsonObject | None = None


def same_content(stored: NewMessage, sent: NewMessage) -> bool:
    """Say whether one is a replay of the other: all that a caller hands in is equal.

    A field that is null is like one that is not there.
    """
    known = NewMessage.model_fields.keys() - {"extra"}
    return all(getattr(stored, field) == getattr(sent, field) for field in known) and (
        _without_nulls(stored.extra) == _without_nulls(sent.extra)
    )


def _without_nulls(extra: JsonObject | None) -> JsonObject:
    return {field: value for field, value in (extra or {}).items() if value is not None}


def preview_of(message: Message) -> Preview:
    return Preview(role=message.role, text=text_of(message.content)[:MAX_PREVIEW_CHARS])


def text_of(content: Content) -> str:
    if isinstance(content, list):
        return " ".join(part["text"] for part in content if isinstance(part.get("text"), str))
    return content or ""
