"""The endpoints of all dialects, at each of their mounts."""

from typing import NamedTuple

from service.api import ops
from service.api.dialects import ALL
from service.api.kit.dialect import Dialect
from service.api.kit.endpoint import Endpoint
from service.api.kit.router import Router

DIALECTS = [*ALL, ops.DIALECT]
ROUTER = Router(DIALECTS)


class Row(NamedTuple):
    method: str
    path: str
    dialect: Dialect
    endpoint: Endpoint

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ROWS = [
    Row(method, route.path, route.dialect, endpoint)
    for route in ROUTER.routes
    for method, endpoint in route.endpoints.items()
    if method == endpoint.method
]
BY_NAME = {str(row): row for row in ROWS}
