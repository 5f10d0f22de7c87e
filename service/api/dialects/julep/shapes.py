"""What Julep requests carry, except messages and chats. An explicit null means not given."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StrictBool, WithJsonSchema
from pydantic_core import from_json
from starlette.requests import Request

from service.api.dialects.julep.tools import ToolBody, to_tools
from service.api.kit.bounds import Id, Metadata, Situation, TokenBudget, the
from service.api.kit.errors import MalformedFilter
from service.api.kit.reading import Body, Integer, Query, WholeNumber
from service.domain.models import ContextOverflow, ListPage, NewSession, Selection, SortBy

MAX_OFFSET = 2**31 - 1
JsonObjectText = WithJsonSchema(
    {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": the("JsonObject"),
    }
)
SORT_FIELDS = {"created_at": SortBy.CREATED_AT, "updated_at": SortBy.LAST_ACTIVE}


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
        """Return the fields that are not null, as the domain expects them."""
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


def session_id(request: Request) -> UUID:
    found: UUID = request.path_params["session_id"]
    return found
