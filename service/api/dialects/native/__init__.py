"""The native dialect: responses are `message` and `data`, or `message`, `error` and `code`."""

from service.api.dialects.native.endpoints import native
from service.api.dialects.native.views import Failure, refusal_view, render
from service.api.kit.dialect import Dialect

DIALECT = Dialect(
    name="native",
    about="The service's own API: sessions, messages, lists by user and by agent, chat.",
    mounts=("", "/sessions"),
    endpoints=native.rows,
    render_error=render("Request failed."),
    refusal=refusal_view,
    failure=Failure,
    invalid_status=400,
)
