"""A conversation as one line of JSON: how conversations come in from files and go out to them."""

from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.domain.errors import InvalidInput, TooLarge
from service.domain.extra_fields import null_fields, unknown_fields
from service.domain.models import (
    Content,
    JsonObject,
    Message,
    NewMessage,
    NewSession,
    Role,
    Session,
    SessionSettings,
    Usage,
    utc_now,
)
from service.domain.rules import RESERVED_IDS, check_message, check_session
from service.domain.transfer.lines import Time, json_text, malformed, time_text

ALWAYS_WRITTEN = ("user_id", "agent_id", "key", "title", "metadata", "max_context_results")
TokenCount = Annotated[int, Field(ge=0, lt=2**63)]


class LineUsage(Usage):
    prompt_tokens: TokenCount = 0
    completion_tokens: TokenCount = 0


class LineMessage(BaseModel):
    """A message of a line. What other tools put into it is kept with `extra`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    role: Role
    content: Content = None
    reasoning_content: str | None = None
    name: str | None = None
    tool_calls: list[JsonObject] | None = None
    tool_call_id: str | None = None
    metadata: JsonObject | None = None
    extra: JsonObject | None = None
    client_key: str | None = None
    id: UUID | None = None
    created_at: Time | None = None
    usage: LineUsage | None = None

    def to_domain(self, number: int) -> Message:
        given = {field: getattr(self, field) for field in type(self).model_fields}
        given["extra"] = unknown_fields(self) | null_fields(self) | (self.extra or {}) or None
        given["client_key"] = self.client_key or import_key(self.id or number)
        return Message(**{field: value for field, value in given.items() if value is not None})


class ConversationLine(SessionSettings):
    """A line of `export`, or of another tool: that has other names for some of it."""

    model_config = ConfigDict(extra="ignore")

    session_id: UUID | None = None
    user_id: str | None = None
    agent_id: str | None = None
    key: str | None = None
    is_test: bool = False
    created_at: Time | None = None
    messages: list[LineMessage]
    dialogue_id: str | int | None = None
    id: str | int | None = None
    services: tuple[str, ...] = ()

    @property
    def own_key(self) -> str | None:
        """Return the key; where the line has no session id, whatever else identifies it."""
        if self.key is not None or self.session_id is not None:
            return self.key
        named = (name for name in (self.dialogue_id, self.id) if name is not None)
        return next(map(str, named), None)


class Defaults(NamedTuple):
    """Owner and agent of the conversations whose line names none."""

    user_id: str | None
    agent_id: str | None


class Conversation(NamedTuple):
    """What a line restores. Without an id of its own, the owner and the key identify it."""

    session: Session
    messages: list[Message]
    has_own_id: bool


def import_key(identity: UUID | int) -> str:
    """Return the client key of a restored message that had none: by its id, else its number."""
    return f"import:{identity}"


def read_line(text: bytes, defaults: Defaults) -> Conversation:
    """Return the conversation of a line.

    Raises:
        InvalidInput, TooLarge: the line is malformed, or breaks a rule.
    """
    try:
        line = ConversationLine.model_validate_json(text)
    except ValidationError as error:
        raise malformed(error, "conversation", text) from None
    session = _session(line, defaults)
    check_session(session)
    messages = [message.to_domain(n) for n, message in enumerate(line.messages, 1)]
    _check_messages(messages)
    return Conversation(session, messages, line.session_id is not None)


def _session(line: ConversationLine, defaults: Defaults) -> Session:
    if line.session_id in RESERVED_IDS:
        raise InvalidInput("session_id", "is one of the sixteen lowest UUIDs, which are reserved.")
    if line.session_id is None and line.own_key is None:
        raise InvalidInput(
            "session_id", "is missing; a key, dialogue_id or id would identify the line, too."
        )
    created_at = line.created_at or utc_now()
    settings = {field: getattr(line, field) for field in SessionSettings.model_fields}
    identity = {} if line.session_id is None else {"id": line.session_id}
    return Session(
        **settings,
        **identity,
        user_id=_required("user_id", line.user_id, defaults.user_id),
        agent_id=_required("agent_id", line.agent_id, *line.services[:1], defaults.agent_id),
        key=line.own_key,
        is_test=line.is_test,
        created_at=created_at,
        last_active=created_at,
    )


def _required(field: str, *values: str | None) -> str:
    for value in values:
        if value is not None:
            return value
    raise InvalidInput(field, "is missing, and none was given for the lines without one.")


def _check_messages(messages: list[Message]) -> None:
    for index, message in enumerate(messages):
        try:
            check_message(message)
        except (InvalidInput, TooLarge) as error:
            raise InvalidInput(f"messages.{index}", str(error)) from None
    for field in ("id", "client_key"):
        if len({getattr(message, field) for message in messages}) < len(messages):
            raise InvalidInput("messages", f"must not have the same {field} twice.")


def head_text(session: Session) -> str:
    """Return the beginning of a line, up to its first message."""
    rest = {
        name: getattr(session, name)
        for name, field in NewSession.model_fields.items()
        if name not in ALWAYS_WRITTEN and getattr(session, name) != field.default
    }
    head = {
        "session_id": str(session.id),
        **{name: getattr(session, name) for name in ALWAYS_WRITTEN},
        **rest,
        "created_at": time_text(session.created_at),
    }
    return json_text(head)[:-1] + ',"messages":['


def message_text(message: Message) -> str:
    """Return a message of a line: what was sent, and what restores it as the same one."""
    sent = {field: getattr(message, field) for field in NewMessage.model_fields}
    if message.client_key == import_key(message.id):
        del sent["client_key"]
    written = {field: value for field, value in sent.items() if value is not None}
    usage = {} if message.usage is None else {"usage": message.usage.model_dump()}
    own = {"id": str(message.id), "created_at": time_text(message.created_at)}
    return json_text({"role": message.role, "content": message.content} | written | usage | own)
