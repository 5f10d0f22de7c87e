"""The keyed dialect: sessions are named by their keys.

A session without a key of its own is named `id:` and its id. Resources of another user are not
found.
"""

from service.api.dialects.keyed.endpoints import keyed
from service.api.dialects.keyed.views import Failure, render
from service.api.kit.dialect import Dialect, detail_view

DIALECT = Dialect(
    name="keyed",
    about="Sessions named by keys of the client's choice, with chat.",
    mounts=("/api/v1",),
    endpoints=keyed.rows,
    render_error=render,
    refusal=detail_view,
    failure=Failure,
    invalid_status=422,
    requests_per_minute=60,
)
