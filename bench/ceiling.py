"""What no service on this stack can exceed: our token check and a response, without a database."""

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.bearer import SECRET
from bench.serving import serve
from config.settings import Settings
from service.auth.configured import authenticator_for

MESSAGES = 20
CONTENT_CHARS = 200

authenticator = authenticator_for(Settings(_env_file=None, jwt_secret=SECRET))
message = {"role": "user", "content": "x" * CONTENT_CHARS}
body = orjson.dumps(
    {"message": "Recent session history retrieved successfully.", "data": [message] * MESSAGES}
)


async def recent(request: Request) -> Response:
    await authenticator.caller(request.headers.get("authorization"))
    return Response(body, media_type="application/json")


if __name__ == "__main__":
    serve(Starlette(routes=[Route("/history/recent/{session_id}", recent)]))
