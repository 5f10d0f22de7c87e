"""ChatML, Julep's messages, and ours.

| Julep | here |
|---|---|
| `function_call`, content `{"name", "arguments", "id"}` | `assistant` with that one tool call |
| `function_call`, content `{"content", "tool_calls"}` | `assistant` with several, or text too |
| `function` | `tool`; `name` is kept, alongside `tool_call_id` |

Nothing is lost either way: a `function_call` holds its calls as JSON text, complete. A call that
arrives without an id gets one; `service.domain.chat.tool_results` finds which call a `function`
without `tool_call_id` answers.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, cast
from uuid import UUID, uuid4

import orjson
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, field_validator
from pydantic.config import JsonDict, JsonValue
from pydantic_core import from_json
from typing_extensions import TypedDict

from service.api.kit.bounds import SPOKEN_CONTENT, Name, the
from service.api.kit.reading import Body
from service.domain.errors import InvalidInput
from service.domain.extra_fields import unknown_fields
from service.domain.models import Content, JsonObject, Message, NewMessage, Role, text_of

JulepRole = Literal["user", "assistant", "system", "function_call", "function"]
FUNCTION_CALL: Literal["function_call"] = "function_call"
FUNCTION: Literal["function"] = "function"
SPOKEN_ROLES: Mapping[Role, JulepRole] = {
    Role.USER: "user",
    Role.ASSISTANT: "assistant",
    Role.SYSTEM: "system",
    Role.DEVELOPER: "system",
    Role.TOOL: FUNCTION,
    Role.FUNCTION: FUNCTION,
}
ROLES = {FUNCTION_CALL: Role.ASSISTANT, FUNCTION: Role.TOOL}
CALL_KEYS = {"id", "type", "function"}
FUNCTION_KEYS = {"name", "arguments"}
SPEAKS: JsonDict = {
    "properties": {
        "role": {"enum": ["user", "assistant", "system", "function"]},
        "content": SPOKEN_CONTENT,
    }
}
CALLS: JsonDict = {
    "properties": {
        "role": {"const": FUNCTION_CALL},
        "content": {
            "type": "string",
            "format": "function-call",
            "contentMediaType": "application/json",
            "description": 'Like {"name": "search", "arguments": "{}"} as JSON text.',
        },
    }
}
MESSAGE_EXAMPLES: list[JsonValue] = [
    {"role": "user", "content": "What is the capital of France?"},
    {"role": "assistant", "content": [{"type": "text", "text": "Paris"}], "name": "guide"},
]
IMAGE_DETAILS = (None, "low", "high", "auto")


# Shapes


class MessageBody(Body):
    """A message; fields that are not listed here are kept with it, and shown again."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "anyOf": [SPEAKS, CALLS],
            "additionalProperties": the("Json"),
            "examples": MESSAGE_EXAMPLES,
        },
    )

    role: JulepRole
    content: Annotated[str | list[JsonObject], WithJsonSchema({"type": ["string", "array"]})]
    name: Name | None = None
    tool_call_id: Name | None = None

    def to_domain(self) -> NewMessage:
        role = ROLES.get(self.role) or Role(self.role)
        if self.role == FUNCTION_CALL:
            fields = _fields_of_calls(text_of(self.content))
        else:
            fields = {"content": self.content, "tool_call_id": self.tool_call_id}
        return NewMessage(role=role, name=self.name, extra=unknown_fields(self) or None, **fields)


class OneCall(BaseModel):
    model_config = ConfigDict(strict=True)

    name: str = Field(min_length=1)
    arguments: str = "{}"
    id: str | None = None

    @field_validator("arguments", mode="before")
    @classmethod
    def _as_text(cls, arguments: object) -> object:
        return orjson.dumps(arguments).decode() if isinstance(arguments, dict) else arguments

    def fields(self) -> dict[str, Any]:
        function = {"name": self.name, "arguments": self.arguments}
        call_id = self.id or f"call_{uuid4().hex}"
        return {"tool_calls": [{"id": call_id, "type": "function", "function": function}]}


class Calls(BaseModel):
    model_config = ConfigDict(strict=True)

    content: Content = None
    tool_calls: list[JsonObject] = Field(min_length=1)

    def fields(self) -> dict[str, Any]:
        return self.model_dump()


def _fields_of_calls(text: str) -> dict[str, Any]:
    try:
        value = from_json(text, allow_inf_nan=False)
        shape: type[OneCall | Calls] = Calls if "tool_calls" in value else OneCall
        return shape.model_validate(value).fields()
    except (ValueError, TypeError):
        raise InvalidInput(
            "content",
            'of a function_call must be JSON: {"name": …, "arguments": …}, optionally with "id".',
        ) from None


# Views


class MessageView(TypedDict):
    """A message with all the fields it came with, also those that are not listed here."""

    id: UUID
    role: JulepRole
    content: str | list[JsonObject]
    name: str | None
    created_at: datetime
    tool_call_id: NotRequired[str]


class MessageList(TypedDict):
    items: list[MessageView]


def message_view(message: Message) -> MessageView:
    view: MessageView = {
        "id": message.id,
        "role": role_view(message),
        "content": content_view(message),
        "name": message.name,
        "created_at": message.created_at,
    }
    if message.tool_call_id is not None:
        view["tool_call_id"] = message.tool_call_id
    return cast("MessageView", {**(message.extra or {}), **view})


def role_view(message: Message) -> JulepRole:
    if message.tool_calls:
        return FUNCTION_CALL
    return SPOKEN_ROLES[message.role]


def content_view(message: Message) -> str | list[JsonObject]:
    if message.tool_calls:
        return calls_view(message.content, message.tool_calls)
    if isinstance(message.content, list):
        return [part_view(part) for part in message.content]
    return message.content or ""


def calls_view(content: Content, calls: list[JsonObject]) -> str:
    view: JsonObject = {"content": content, "tool_calls": calls}
    if content is None and len(calls) == 1 and _is_plain(calls[0]):
        [call] = calls
        view = {**call["function"], "id": call["id"]}
    return orjson.dumps(view).decode()


def part_view(part: JsonObject) -> JsonObject:
    """Return text and images as they are, other parts as JSON text: Julep's clients refuse them."""
    if _is_text(part) or _is_image(part):
        return part
    return {"type": "text", "text": orjson.dumps(part).decode()}


def _is_plain(call: JsonObject) -> bool:
    """Say whether OneCall would make this call: then its short form loses nothing."""
    function = call.get("function")
    return (
        call.keys() == CALL_KEYS
        and call["type"] == "function"
        and isinstance(function, dict)
        and function.keys() == FUNCTION_KEYS
        and all(isinstance(text, str) and text for text in (call["id"], function["name"]))
        and isinstance(function["arguments"], str)
    )


def _is_text(part: JsonObject) -> bool:
    return part.get("type") == "text" and isinstance(part.get("text"), str)


def _is_image(part: JsonObject) -> bool:
    image = part.get("image_url")
    return (
        part.get("type") == "image_url"
        and isinstance(image, dict)
        and isinstance(image.get("url"), str)
        and image.get("detail") in IMAGE_DETAILS
    )
