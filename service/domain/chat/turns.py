"""A turn of a chat, its messages in the log, and how a repeated turn is recognised."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.domain.access import Caller
from service.domain.chat.completion import ChatRequest, Completion
from service.domain.errors import IdempotencyKeyReused, InvalidInput
from service.domain.models import Message, Session, Usage, same_content
from service.domain.ports import ChatModel
from service.domain.rules import (
    MAX_KEY_CHARS,
    MAX_MESSAGES_PER_APPEND,
    check_message,
    check_text,
)

MAX_MESSAGES_PER_TURN = MAX_MESSAGES_PER_APPEND - 1
KEY_PREFIX = "chat:"
MAX_TURN_KEY_CHARS = MAX_KEY_CHARS - 16
ANSWER = "answer"


@dataclass(frozen=True)
class Turn:
    """A turn under way: the caller, the session, the request, and the model that responds."""

    caller: Caller
    session: Session
    request: ChatRequest
    model: ChatModel


def checked(request: ChatRequest) -> ChatRequest:
    """Return the request with the time and the keys its messages are stored with.

    Raises:
        InvalidInput, TooLarge: a message, or their number, breaks a rule.
    """
    if not 1 <= len(request.messages) <= MAX_MESSAGES_PER_TURN:
        raise InvalidInput("messages", f"must be 1 to {MAX_MESSAGES_PER_TURN} in number.")
    if request.idempotency_key is not None:
        check_text("idempotency key", request.idempotency_key, MAX_TURN_KEY_CHARS)
    messages = [
        Message(**{**dict(message), "client_key": client_key(request, i) or message.client_key})
        for i, message in enumerate(request.messages)
    ]
    for message in messages:
        check_message(message)
    return request.model_copy(update={"messages": messages})


def client_key(request: ChatRequest, place: int | str) -> str | None:
    """Return the key of the message at a place of the turn, its answer included."""
    key = request.idempotency_key
    return None if key is None else f"{KEY_PREFIX}{key}:{place}"


def client_keys(request: ChatRequest) -> list[str]:
    """Return the keys a stored turn may have: one message more than the request, to tell them."""
    places = [*range(len(request.messages) + 1), ANSWER]
    return [key for place in places if (key := client_key(request, place)) is not None]


def stored_answer(request: ChatRequest, stored: Sequence[Message]) -> Completion | None:
    """Return the answer that was stored for this turn, from the messages with its keys.

    Raises:
        IdempotencyKeyReused: the turn that was stored had other messages.
    """
    by_key = {message.client_key: message for message in stored}
    answer = by_key.pop(client_key(request, ANSWER), None)
    if answer is None:
        return None
    if list(by_key) != [message.client_key for message in request.messages] or not all(
        same_content(by_key[message.client_key], message) for message in request.messages
    ):
        raise IdempotencyKeyReused
    return Completion(
        message=answer,
        finish_reason="tool_calls" if answer.tool_calls else "stop",
        usage=answer.usage or Usage(),
    )
