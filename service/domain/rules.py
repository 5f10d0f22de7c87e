"""What sessions and messages may hold. Every way in passes through here."""

import json
import math
import re
from typing import Any
from uuid import UUID

from service.domain.errors import InvalidInput, TooLarge
from service.domain.models import Content, JsonObject, NewMessage, NewSession, Role, SessionSettings

MAX_ID_CHARS = 256
MAX_KEY_CHARS = 256
MAX_TITLE_CHARS = 512
MAX_NAME_CHARS = 128
MAX_CONTENT_BYTES = 256 * 1024
MAX_REASONING_BYTES = 256 * 1024
MAX_TOOL_CALLS_BYTES = 256 * 1024
MAX_METADATA_BYTES = 16 * 1024
MAX_SITUATION_BYTES = 64 * 1024
MAX_TOOLS_BYTES = 128 * 1024
MAX_CONTEXT_RESULTS = 1000
MAX_TOKEN_BUDGET = 10_000_000
MAX_MESSAGES_PER_APPEND = 1000
MAX_JSON_DEPTH = 32
# No session can have these ids: the store keeps notes of its own under them.
RESERVED_IDS = frozenset(UUID(int=n) for n in range(16))
INT64 = range(-(2**63), 2**63)

# Half of a surrogate pair cannot be written as UTF-8.
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def check_session(session: NewSession) -> None:
    """Raise InvalidInput or TooLarge where a new session breaks a rule."""
    check_text("agent_id", session.agent_id, MAX_ID_CHARS)
    for field, text, limit in (
        ("user_id", session.user_id, MAX_ID_CHARS),
        ("key", session.key, MAX_KEY_CHARS),
    ):
        if text is not None:
            check_text(field, text, limit)
    check_settings(session)


def check_settings(settings: SessionSettings) -> None:
    """Raise InvalidInput or TooLarge where what the owner sets breaks a rule."""
    if settings.title is not None:
        check_text("title", settings.title, MAX_TITLE_CHARS)
    if settings.situation is not None:
        _check_characters("situation", settings.situation)
        _check_size("situation", len(settings.situation.encode()), MAX_SITUATION_BYTES)
    _check_number("max_context_results", settings.max_context_results, MAX_CONTEXT_RESULTS)
    if settings.token_budget is not None:
        _check_number("token_budget", settings.token_budget, MAX_TOKEN_BUDGET)
    if settings.metadata is not None:
        _check_json("metadata", settings.metadata, MAX_METADATA_BYTES)
    if settings.tools is not None:
        _check_json("tools", settings.tools, MAX_TOOLS_BYTES)


def check_message(message: NewMessage) -> None:
    """Raise InvalidInput or TooLarge where a message breaks a rule."""
    if _is_nothing(message):
        raise InvalidInput(
            "content", 'is missing, and so is everything else; "" would be an empty message.'
        )
    _check_content(message.content)
    for field, text in (("name", message.name), ("tool_call_id", message.tool_call_id)):
        if text is not None:
            check_text(field, text, MAX_NAME_CHARS)
    if message.reasoning_content is not None:
        _check_reasoning(message, message.reasoning_content)
    if message.client_key is not None:
        check_text("idempotency key", message.client_key, MAX_KEY_CHARS)
    if message.tool_calls is not None:
        _check_tool_calls(message)
    beside = (message.metadata, message.extra)
    for field, value in zip(("metadata", "extra fields"), beside, strict=True):
        if value is not None:
            _check_json(field, value, MAX_METADATA_BYTES)
    if None not in beside:
        _check_json("metadata and extra fields together", beside, MAX_METADATA_BYTES)


def check_profile(user_id: str, metadata: JsonObject | None) -> None:
    """Raise InvalidInput or TooLarge where a user's profile breaks a rule."""
    check_text("user_id", user_id, MAX_ID_CHARS)
    if metadata is not None:
        _check_json("metadata", metadata, MAX_METADATA_BYTES)


def check_text(field: str, text: str, max_chars: int) -> None:
    """Raise InvalidInput where a short text is empty, too long or cannot be stored."""
    if not 1 <= len(text) <= max_chars:
        raise InvalidInput(field, f"must be 1 to {max_chars} characters long, not {len(text)}.")
    _check_characters(field, text)


def _check_number(field: str, number: int, greatest: int) -> None:
    if not 1 <= number <= greatest:
        raise InvalidInput(field, f"must be an integer from 1 to {greatest}, not {number}.")


def _is_nothing(message: NewMessage) -> bool:
    """Say whether there is no field besides the role; empty text is something."""
    if message.content is not None:
        return False
    given = {**message.said(), "role": None, "metadata": message.metadata}
    return all(value is None for value in given.values())


def _check_content(content: Content) -> None:
    if isinstance(content, str):
        _check_characters("content", content)
        _check_size("content", len(content.encode()), MAX_CONTENT_BYTES)
    elif content is not None:
        _check_json("content", content, MAX_CONTENT_BYTES)


def _check_reasoning(message: NewMessage, reasoning: str) -> None:
    if message.role is not Role.ASSISTANT:
        raise InvalidInput("reasoning_content", "only an assistant's message may have it.")
    _check_characters("reasoning_content", reasoning)
    _check_size("reasoning_content", len(reasoning.encode()), MAX_REASONING_BYTES)


def _check_tool_calls(message: NewMessage) -> None:
    if message.tool_calls and message.role is not Role.ASSISTANT:
        raise InvalidInput("tool_calls", "only messages with the role 'assistant' may have them.")
    _check_json("tool_calls", message.tool_calls, MAX_TOOL_CALLS_BYTES)


def _check_json(field: str, value: Any, limit_bytes: int) -> None:
    _check_values(field, value)
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    _check_size(field, len(encoded), limit_bytes)


def _check_values(field: str, root: Any) -> None:
    """Walk the value without recursion, so that its depth cannot exhaust the stack."""
    level = [root]
    for _ in range(MAX_JSON_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            else:
                _check_scalar(field, value)
        if not below:
            return
        level = below
    raise InvalidInput(field, f"must not be nested deeper than {MAX_JSON_DEPTH} levels.")


def _check_scalar(field: str, value: object) -> None:
    if isinstance(value, str):
        _check_characters(field, value)
    elif isinstance(value, int) and value not in INT64:
        raise InvalidInput(field, "integers must fit into 64 bits; send larger ones as text.")
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(field, "numbers must be finite.")


def _check_characters(field: str, text: str) -> None:
    if "\x00" in text or (not text.isascii() and _LONE_SURROGATE.search(text)):
        raise InvalidInput(field, "must not contain NUL characters or lone surrogates.")


def _check_size(what: str, size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise TooLarge(what, size_bytes, limit_bytes)
