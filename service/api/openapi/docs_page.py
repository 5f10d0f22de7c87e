"""The page at `/docs`: the OpenAPI document, to read and to try, shown by Swagger UI.

Its files come with the service, so the page needs no other host. They are those of
`swagger-ui-dist` on npm (Apache-2.0), without the references to source maps; `make swagger-ui`
fetches another version.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import service

SWAGGER_UI_VERSION = "5.35.0"
FOLDER = Path(__file__).with_name("swagger_ui")
# The files of the page and their types, by their names in the folder and in URLs.
FILES: Mapping[str, str] = MappingProxyType(
    {
        "swagger-ui.css": "text/css",
        "swagger-ui-bundle.js": "text/javascript",
        "start.js": "text/javascript",
    }
)
# Swagger UI sets the style of elements and draws its icons from data: URLs.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
# The version in their URLs changes with the files.
FILE_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
}
_VERSION = f"{service.__version__}-{SWAGGER_UI_VERSION}"

PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Session service {service.__version__}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css?v={_VERSION}">
</head>
<body>
<div id="page"></div>
<script src="/docs/swagger-ui-bundle.js?v={_VERSION}"></script>
<script src="/docs/start.js?v={_VERSION}"></script>
</body>
</html>
"""


@cache
def content_of(name: str) -> bytes:
    """Return a file of the page."""
    return (FOLDER / name).read_bytes()
