"""What those who run the service ask it; open to everybody, and about nobody."""

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import service
from service.observability.health import Readiness
from service.observability.metrics import CONTENT_TYPE, exposition

DIALECTS = {
    "native": ["/", "/sessions"],
    "pyspur": ["/session/", "/api/session/"],
    "keyed": ["/api/v1"],
    "julep": ["/sessions"],
}
LINKS = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "live": "/livez",
    "ready": "/readyz",
}


async def about(_: Request) -> Response:
    about_service = {"name": "session-service", "version": service.__version__}
    return _reply(about_service | {"dialects": DIALECTS, "links": LINKS})


async def live(_: Request) -> Response:
    """Say that this process answers; what it needs besides is the business of `ready`."""
    return _reply({"status": "alive"})


async def ready(request: Request) -> Response:
    readiness: Readiness = request.app.state.readiness
    failed, details = readiness.failed(), readiness.details()
    state = {"status": "not ready" if failed else "ready", "failed": failed}
    return _reply(state | ({"details": details} if details else {}), 503 if failed else 200)


async def metrics(request: Request) -> Response:
    """Show the metrics, unless they have a port of their own."""
    if request.app.state.settings.metrics_port is not None:
        raise HTTPException(404)
    return Response(exposition(request.app.state.metrics_folder), media_type=CONTENT_TYPE)


def _reply(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
