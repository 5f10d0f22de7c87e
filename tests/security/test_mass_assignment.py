"""No client can set a field that only the service sets by naming it in a body."""

from typing import Any

import pytest

from service.domain.models import Message, NewMessage, NewSession, Session
from tests.rows import BY_NAME, ROWS
from tests.security.matrix import MATRIX
from tests.security.world import World

PLANTED = ("planted-9e107d9d", "987654321", "1987-06-05")
TEXT, NUMBER, TIME = "planted-9e107d9d", 987654321, "1987-06-05T04:03:02Z"
# Fields of responses, of stored documents and of other systems.
FIELDS: dict[str, Any] = {
    **dict.fromkeys(("_id", "id", "session_id", "owner", "user_id", "developer_id"), TEXT),
    **dict.fromkeys(("agent_id", "key", "title", "preview", "summary", "client_key"), TEXT),
    **dict.fromkeys(("scope", "scopes", "roles", "status", "kind", "deleting"), TEXT),
    **dict.fromkeys(("seq", "start", "end", "message_count", "version", "shard"), NUMBER),
    **dict.fromkeys(("created_at", "updated_at", "last_active", "deleted_at", "timestamp"), TIME),
    "is_admin": True,
}
BODIES = [(name, row, BY_NAME[name].endpoint.body) for name, row in MATRIX.items() if row.body]


@pytest.mark.parametrize(
    ("endpoint", "row", "shape"), BODIES, ids=[endpoint for endpoint, _, _ in BODIES]
)
async def test_fields_that_are_not_part_of_a_body_change_nothing(
    world: World, endpoint: str, row: Any, shape: Any
) -> None:
    taken = {field.alias or name for name, field in shape.model_fields.items()}
    extra = {name: value for name, value in FIELDS.items() if name not in taken}

    answer = await world.ask("owner", endpoint, row._replace(body={**row.body, **extra}))
    sessions, history, *others = await world.kept()

    unknown = shape.model_config.get("extra")
    assert answer.status_code == (422 if unknown == "forbid" else row.statuses[0])
    if unknown == "allow":
        # A message is shown as it came, but for what is the service's own.
        *_, message = await world.owner.history(
            world.filled("{session_id}"), include="seq,id,created_at", limit=1000
        )
        history = str([message[field] for field in ("seq", "id", "created_at")])
    else:
        others.append(answer.text)
    seen = "\n".join((sessions, history, *others))
    assert [planted for planted in PLANTED if planted in seen] == []


def test_request_bodies_have_shapes_of_their_own() -> None:
    shapes = {shape for row in ROWS for shape in row.endpoint.models}

    assert len(shapes) > len(BODIES) / 2
    for ours in (Session, Message, NewSession, NewMessage):
        assert [shape for shape in shapes if issubclass(shape, ours)] == []
