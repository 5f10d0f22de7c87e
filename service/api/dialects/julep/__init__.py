"""The Julep dialect (its v0.3). Resources of another user are not found."""

from service.api.dialects.julep.chat import julep_chat
from service.api.dialects.julep.endpoints import julep
from service.api.dialects.julep.views import (
    UNPROCESSABLE,
    Failure,
    Invalid,
    render,
)
from service.api.kit.dialect import Dialect, detail_view

DIALECT = Dialect(
    name="julep",
    about="Sessions, histories, tools and chat as Julep v0.3 has them; its client works unchanged.",
    mounts=("/sessions",),
    endpoints=julep.rows + julep_chat.rows,
    render_error=render,
    refusal=detail_view,
    failure=Failure,
    failures={UNPROCESSABLE: Invalid},
    invalid_status=UNPROCESSABLE,
)
