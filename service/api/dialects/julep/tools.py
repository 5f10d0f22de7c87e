"""Tools in the Julep dialect: what a session's agent, or one turn of a chat, may call."""

from hashlib import sha256
from typing import Annotated, Literal
from uuid import UUID

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from service.api.kit.bounds import FreeText
from service.api.kit.reading import Body
from service.domain.models import JsonObject, Session

ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class FunctionBody(Body):
    name: ToolName
    description: FreeText | None = None
    parameters: JsonObject | None = None


class ToolBody(Body):
    """A tool without its id: that one is ours to give, and models refuse it."""

    type: Literal["function"]
    function: FunctionBody


def to_tools(bodies: list[ToolBody] | None) -> list[JsonObject] | None:
    if bodies is None:
        return None
    return [body.model_dump(exclude_none=True) for body in bodies]


class ToolView(TypedDict):
    id: UUID
    type: Literal["function"]
    function: JsonObject


class ToolList(TypedDict):
    items: list[ToolView]


def tools_view(session: Session) -> list[ToolView]:
    return [
        {"id": _tool_id(session.id, place, tool), "type": "function", "function": tool["function"]}
        for place, tool in enumerate(session.tools or [])
    ]


def _tool_id(session_id: UUID, place: int, tool: JsonObject) -> UUID:
    """Return the id of a tool: it stays the same as long as the session's list does."""
    digest = sha256(session_id.bytes + orjson.dumps([place, tool], option=orjson.OPT_SORT_KEYS))
    return UUID(bytes=digest.digest()[:16], version=4)
