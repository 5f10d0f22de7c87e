"""What PySpur requests carry. Its `workflow_id` is our agent, its `external_id` our key."""

from typing import Annotated

from pydantic import Field

from service.api.kit.bounds import Id, Key, Metadata, examples, text
from service.api.kit.reading import Body, Integer, Query
from service.domain.models import NewSession
from service.domain.rules import MAX_ID_CHARS

MAX_SKIP = 2**31 - 1


class SessionBody(Body):
    model_config = examples(
        {"user_id": "alice", "workflow_id": "agent123", "external_id": "1732176000.000100"}
    )

    user_id: Id
    workflow_id: Id
    external_id: Key | None = None

    def to_domain(self) -> NewSession:
        return NewSession(user_id=self.user_id, agent_id=self.workflow_id, key=self.external_id)


class TestSessionQuery(Query):
    workflow_id: Id


class PageQuery(Query):
    skip: Annotated[Integer, Field(ge=0, le=MAX_SKIP)] = 0
    limit: Annotated[Integer, Field(ge=1, le=100)] = 10


class SessionsQuery(PageQuery):
    user_id: Annotated[str, Field(min_length=1), text(MAX_ID_CHARS)] | None = None


class UserBody(Body):
    model_config = examples({"external_id": "alice", "user_metadata": {"team": "sales"}})

    external_id: Id
    user_metadata: Metadata | None = None


class UserChangeBody(Body):
    model_config = examples({"user_metadata": {"team": "support"}})

    external_id: Id | None = None
    user_metadata: Metadata | None = None
