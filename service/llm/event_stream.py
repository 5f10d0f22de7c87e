"""Server-sent events of a model, as the event-stream standard reads them.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import codecs
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

from service.domain.errors import ModelFailed

DONE = "[DONE]"
_BOM = "\ufeff"
# A carriage return at the end of a chunk may be the first half of an end of line.
_END_OF_LINE = re.compile(r"\r\n|\n|\r(?!\Z)")


async def chunks_in(body: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the JSON objects of a stream of completions, until it says that it is done.

    Everything else in such streams is skipped: comments, fields without a meaning here,
    keep-alives in any form. An event without its end does not count.

    Raises:
        ModelFailed: an object cannot be read.
    """
    async for data in _data_in(body):
        text = data.strip()
        if text.startswith(DONE):
            return
        if text.startswith("{"):
            yield _read(text)


def _read(text: str) -> dict[str, Any]:
    try:
        # Unlike faster parsers, this one accepts half of a character: the other half may follow.
        value: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelFailed("sent a piece of its response that cannot be read") from None
    return value


async def _data_in(body: AsyncIterator[bytes]) -> AsyncIterator[str]:
    data: list[str] = []
    async for line in _lines_in(body):
        if not line:
            if data:
                yield "\n".join(data)
            data = []
            continue
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))


async def _lines_in(body: AsyncIterator[bytes]) -> AsyncIterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    unfinished, is_first = [""], True
    async for chunk in body:
        text = decoder.decode(chunk)
        if is_first and text:
            text, is_first = text.removeprefix(_BOM), False
        for line in _completed(unfinished, text):
            yield line


def _completed(unfinished: list[str], text: str) -> Iterator[str]:
    """Yield the lines that end in this text; `unfinished` holds the pieces of the unfinished line.

    Pieces are joined once, so the cost of a line of many chunks is its length, not more.
    """
    if unfinished[-1].endswith("\r"):
        text = unfinished.pop() + text
    *lines, rest = _END_OF_LINE.split(text)
    for line in lines:
        yield "".join([*unfinished, line])
        unfinished.clear()
    unfinished.append(rest)
