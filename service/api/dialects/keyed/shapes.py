"""What keyed requests carry."""

from typing import Annotated

from pydantic import ConfigDict, Field

from service.api.kit.bounds import text
from service.api.kit.reading import Body, Integer, Query
from service.domain.chat.completion import ChatRequest, ModelSettings
from service.domain.models import NewMessage, Role
from service.domain.rules import MAX_ID_CHARS, MAX_KEY_CHARS

MAX_MESSAGE_CHARS = 100_000
MAX_AGE_S = 100 * 366 * 24 * 60 * 60


class DeleteQuery(Query):
    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["prefix"]}, {"required": ["older_than_s"]}]}
    )

    prefix: (
        Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARS), text(MAX_KEY_CHARS)] | None
    ) = None
    older_than_s: Annotated[Integer, Field(ge=1, le=MAX_AGE_S)] | None = None


class ChatBody(Body):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"message": "Hello", "session_key": "user:alice:first-steps"}]
        },
    )

    message: Annotated[
        str, Field(min_length=1, max_length=MAX_MESSAGE_CHARS), text(MAX_MESSAGE_CHARS)
    ]
    session_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_:.@-]{1,128}$")] | None = None
    model: Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)] | None = None

    def to_domain(self) -> ChatRequest:
        message = NewMessage(role=Role.USER, content=self.message)
        return ChatRequest(messages=[message], settings=ModelSettings(model=self.model))
