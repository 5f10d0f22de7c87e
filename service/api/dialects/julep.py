"""The Julep dialect (its v0.3): sessions, their histories and tools. Chat is in julep_chat.

Its `updated_at` is our `last_active`. Explicit nulls are nothing: an update keeps what they name.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from pydantic import ConfigDict, Field, StrictBool, WithJsonSchema
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from service.api.bounds import Id, Metadata, Situation, TokenBudget, the
from service.api.context import caller, sessions, windows
from service.api.dialects.julep_answers import encoded, julep, reply
from service.api.dialects.julep_messages import MessageBody, message_view
from service.api.dialects.julep_tools import ToolBody, to_tools, tools_view
from service.api.errors import MalformedFilter
from service.api.shapes import Body, Integer, Query, WholeNumber, read_body, read_query
from service.domain.models import (
    ContextOverflow,
    JsonObject,
    ListPage,
    Message,
    NewSession,
    Selection,
    Session,
    SortBy,
    utc_now,
)
from service.domain.tool_results import with_call_ids
from service.domain.window import Window

MAX_OFFSET = 2**31 - 1
JsonObjectText = WithJsonSchema(
    {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": the("JsonObject"),
    }
)
SORT_FIELDS = {"created_at": SortBy.CREATED_AT, "updated_at": SortBy.LAST_ACTIVE}


# Shapes


class PageQuery(Query):
    limit: Annotated[Integer, Field(ge=1, le=1000)] = 100
    offset: Annotated[Integer, Field(ge=0, le=MAX_OFFSET)] = 0


class SessionsQuery(PageQuery):
    metadata_filter: Annotated[str, JsonObjectText] = "{}"
    sort_by: Literal["created_at", "updated_at"] = "created_at"
    order: Literal["asc", "desc"] = "desc"

    def page(self) -> ListPage:
        return ListPage(
            limit=self.limit,
            skip=self.offset,
            sort_by=SORT_FIELDS[self.sort_by],
            descending=self.order == "desc",
        )

    def selection(self) -> Selection:
        """Return what the filter selects.

        Raises:
            MalformedFilter: it is not a JSON object.
        """
        try:
            wanted = from_json(self.metadata_filter, allow_inf_nan=False)
        except ValueError:
            raise MalformedFilter from None
        if not isinstance(wanted, dict):
            raise MalformedFilter
        return Selection(metadata=wanted or None)


class SettingsBody(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"situation": "Be brief.", "token_budget": 4000}]}
    )

    situation: Situation | None = None
    metadata: Metadata | None = None
    render_templates: StrictBool | None = None
    token_budget: Annotated[WholeNumber, TokenBudget] | None = None
    context_overflow: ContextOverflow | None = None
    tools: list[ToolBody] | None = None

    def given(self) -> dict[str, Any]:
        """Return the fields that are not null, as the domain has them."""
        fields = {**dict(self), "tools": to_tools(self.tools)}
        return {name: value for name, value in fields.items() if value is not None}


class SessionBody(SettingsBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"agent_id": "agent123", "situation": "Be brief.", "token_budget": 4000}]
        }
    )

    agent_id: Id
    user_id: Id | None = None

    def to_domain(self) -> NewSession:
        return NewSession(**self.given())


# Views


def session_view(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "user_id": session.user_id,
        "agent_id": session.agent_id,
        "situation": session.situation,
        "summary": session.summary,
        "created_at": session.created_at,
        "updated_at": session.last_active,
        "metadata": session.metadata,
        "render_templates": session.render_templates,
        "token_budget": session.token_budget,
        "context_overflow": session.context_overflow,
    }


def encoded_messages(messages: list[Message]) -> bytes:
    return encoded(list(map(message_view, messages)))


# Endpoints


@julep
async def create_session(request: Request) -> Response:
    new = (await read_body(request, SessionBody)).to_domain()
    session = await sessions(request).create(caller(request), new)
    return reply({"id": session.id, "created_at": session.created_at, "jobs": []}, 201)


@julep
async def list_sessions(request: Request) -> Response:
    query = read_query(request, SessionsQuery)
    found = await sessions(request).select(caller(request), query.page(), query.selection())
    return reply({"items": [session_view(session) for session in found]})


@julep
async def get_session(request: Request) -> Response:
    return reply(session_view(await sessions(request).get(caller(request), session_id(request))))


@julep
async def replace_settings(request: Request) -> Response:
    given = (await read_body(request, SettingsBody)).given()
    return await _update(request, given)


@julep
async def merge_settings(request: Request) -> Response:
    given = (await read_body(request, SettingsBody)).given()
    return await _update(request, given, merges=given.pop("metadata", {}))


@julep
async def delete_session(request: Request) -> Response:
    await sessions(request).delete(caller(request), session_id(request))
    return reply({"id": session_id(request), "deleted_at": utc_now(), "jobs": []}, 202)


@julep
async def get_history(request: Request) -> Response:
    query = read_query(request, PageQuery)
    _, items = await windows(request).read(
        caller(request),
        session_id(request),
        Window(limit=query.limit, skip=query.offset),
        kind="julep",
        encode=encoded_messages,
    )
    return reply({"items": orjson.Fragment(items)})


@julep
async def delete_history(request: Request) -> Response:
    session = await sessions(request).clear(caller(request), session_id(request))
    return reply({"id": session.id, "deleted_at": session.last_active}, 202)


@julep
async def add_message(request: Request) -> Response:
    message = (await read_body(request, MessageBody)).to_domain()
    found = sessions(request), caller(request), session_id(request)
    messages = await with_call_ids(*found, [message])
    [stored] = await sessions(request).append(caller(request), session_id(request), messages)
    return reply(message_view(stored), 201)


@julep
async def list_tools(request: Request) -> Response:
    session = await sessions(request).get(caller(request), session_id(request))
    return reply({"items": tools_view(session)})


def session_id(request: Request) -> UUID:
    found: UUID = request.path_params["session_id"]
    return found


async def _update(
    request: Request, replaces: dict[str, Any], merges: JsonObject | None = None
) -> Response:
    def change(session: Session) -> Session:
        merged = {"metadata": {**(session.metadata or {}), **merges}} if merges else {}
        return session.model_copy(update={**replaces, **merged})

    session = await sessions(request).update(caller(request), session_id(request), change)
    return reply({"id": session.id, "updated_at": session.last_active, "jobs": []})
