"""A dialect: one way to talk to the service, as a value from which everything else follows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

from service.api.kit.endpoint import Endpoint, Render


class Refusal(NamedTuple):
    """A response that comes from no endpoint: unknown path, wrong method, busy, too large, broken.

    `code` is the stable word for programs, `advice` the text for people.
    """

    status: HTTPStatus
    code: str
    advice: str


def detail_view(refusal: Refusal) -> dict[str, Any]:
    """Return the body of a refusal as in FastAPI: for paths and methods, only the status."""
    is_routing = refusal.status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
    return {"detail": refusal.status.phrase if is_routing else refusal.advice}


@dataclass(frozen=True, eq=False)
class Dialect:
    """A dialect is this value, in a folder of its own, and one line in `dialects.ALL`.

    `about` says in a sentence who it is for. Each endpoint is served below each of the `mounts`.
    `render_error` makes the response to an error of the domain, `refusal` the JSON body for a
    request refused before an endpoint. `failure` is the type of both bodies, except for the
    statuses in `failures`. Input that breaks a rule gets `invalid_status`. `requests_per_minute`
    is the rate limit if no setting gives one; None is no limit.
    """

    name: str
    about: str
    endpoints: tuple[Endpoint, ...]
    render_error: Render
    refusal: Callable[[Refusal], dict[str, Any]]
    failure: Any
    invalid_status: int
    failures: Mapping[int, Any] = field(default_factory=dict)
    mounts: tuple[str, ...] = ("",)
    requests_per_minute: int | None = None

    def render(self, endpoint: Endpoint) -> Render:
        """Return the function that makes the error responses of this endpoint."""
        return endpoint.render_error or self.render_error
