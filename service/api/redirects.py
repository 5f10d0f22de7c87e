"""Redirects, for clients that leave out the slash at the end of a path."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response


async def with_slash(request: Request) -> Response:
    """Send the client to the path that ends in a slash, with the same method, body and query."""
    # The decoded path decides which endpoint is reached, so it is what has to be written again.
    path = f"{quote(request.scope['path'])}/"
    query = request.scope["query_string"].decode("latin-1")
    return RedirectResponse(f"{path}?{query}" if query else path, 307)
