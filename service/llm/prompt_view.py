"""A prompt as model servers accept it: they refuse some things that a log may hold.

The log stays as it is. Blank turns are left out, names are written in the characters that
servers accept, parts without text are removed, and fields that this service does not know are
not sent: a server may refuse those of another.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from service.domain.errors import InvalidInput
from service.domain.models import Content, JsonObject, NewMessage, Role

MAX_NAME_CHARS = 64
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
_SENT_FIELDS = ("tool_call_id", "reasoning_content")


def prompt_view(prompt: Sequence[NewMessage]) -> list[JsonObject]:
    """Return the messages of a prompt.

    Raises:
        InvalidInput: nothing is left of it.
    """
    views = [view for message in prompt if (view := _message_view(message)) is not None]
    if not views:
        raise InvalidInput("content", "must hold more than blanks: there is nothing to respond to.")
    return views


def name_view(name: str | None) -> str | None:
    """Return a name in letters without accents, digits, `_` and `-`; None if nothing is left."""
    ascii_name = unicodedata.normalize("NFKD", name or "").encode("ascii", "ignore").decode()
    return _NOT_IN_NAMES.sub("_", ascii_name).strip("_")[:MAX_NAME_CHARS] or None


def _message_view(message: NewMessage) -> JsonObject | None:
    content = _content_view(message.content)
    calls = [_call_view(call) for call in message.tool_calls or []]
    if content is None and message.role.answers_a_call:
        content = ""
    if content is None and not calls:
        return None
    # Only OpenAI's own servers know `developer`, and they take `system` for the same.
    role = Role.SYSTEM if message.role.instructs else message.role
    view: dict[str, Any] = {"role": role.value, "content": content}
    view |= {field: value for field in _SENT_FIELDS if (value := getattr(message, field))}
    if name := name_view(message.name):
        view["name"] = name
    if calls:
        view["tool_calls"] = calls
    return view


def _content_view(content: Content) -> Content:
    """Return the parts of a content that are not blank; None if all are."""
    if isinstance(content, list):
        return [part for part in content if not _is_blank(part)] or None
    return content if content and not content.isspace() else None


def _is_blank(part: JsonObject) -> bool:
    text = part.get("text")
    return part.get("type") == "text" and (not isinstance(text, str) or not text.strip())


def _call_view(call: JsonObject) -> JsonObject:
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return call
    return {**call, "function": {**function, "name": name_view(function["name"]) or "tool"}}
