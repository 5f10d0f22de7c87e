"""Documents that are sent while they are still being read."""

import logging

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.domain.errors import DomainError

logger = logging.getLogger(__name__)


class StreamedDocument(StreamingResponse):
    """A JSON document that is cut off if reading it fails.

    The connection then ends without the last chunk, so that the client knows that the document
    is incomplete (RFC 9112, section 8).
    """

    media_type = "application/json"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except DomainError as error:
            logger.warning("a document was cut off: %s", error.code)
