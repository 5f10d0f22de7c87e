"""Which messages go to the model: pure rules over a conversation and a budget of tokens.

A system message is never left out, a tool call never parted from its results, and of the
rest it is always the newest that fits.
"""

from collections.abc import Iterator, Sequence

from service.domain.errors import TokenBudgetExceeded
from service.domain.models import Message, NewMessage, Role
from service.domain.tokens import MESSAGE_OVERHEAD, tokens_in, tokens_of, tokens_of_all


def call_ids(message: NewMessage) -> set[str]:
    """Return the ids of the message's tool calls, as far as they are texts."""
    ids = (call.get("id") for call in message.tool_calls or ())
    return {call_id for call_id in ids if isinstance(call_id, str)}


def answerable(stored: Sequence[Message], request: Sequence[NewMessage]) -> list[Message]:
    """Return the stored messages without tool calls nobody answered and results of no call.

    The other half of these lies before the window, was never sent, or is in the request,
    which then answers them. A model refuses a prompt with half of a pair.
    """
    together = [*stored, *request]
    partners = _partners(together)
    return [
        message
        for i, message in enumerate(stored)
        if i in partners or not (message.tool_calls or message.role is Role.TOOL)
    ]


def newest_that_fit(
    stored: Sequence[Message], request: Sequence[NewMessage], room_tokens: int
) -> list[Message]:
    """Return the stored messages that go before the request, whose tokens are not in the room.

    System messages stay, and what the request has the results of. They may be over the
    room by themselves; then there is nothing else beside them.
    """
    together = [*stored, *request]
    whole = _whole_units(together)
    required = {i for i, message in enumerate(stored) if message.role is Role.SYSTEM}
    for unit in whole:
        if unit.stop > len(stored):
            required.update(i for i in unit if i < len(stored))
    kept, used = set(required), tokens_of_all(stored[i] for i in required)
    for unit in reversed(whole):
        optional = [i for i in unit if i < len(stored) and i not in required]
        used += tokens_of_all(stored[i] for i in optional)
        if used > room_tokens:
            break
        kept.update(optional)
    return [stored[i] for i in sorted(kept)]


def cut_to_fit(request: Sequence[NewMessage], room_tokens: int) -> list[NewMessage]:
    """Return the newest part of a request that does not fit as a whole.

    Left out are its oldest messages; of the last one, when it does not fit alone, the
    beginning of its text.

    Raises:
        TokenBudgetExceeded: the system messages, or a last message that is not all text,
            do not fit. Its figures are those of the request and the room.
    """
    *earlier, last = [Message(**dict(message)) for message in request]
    units = _whole_units([*earlier, last])
    if len(units[-1]) > 1 or tokens_of(last) <= room_tokens:
        fitting: list[NewMessage] = [
            *newest_that_fit(earlier, [last], room_tokens - tokens_of(last)),
            request[-1],
        ]
    else:
        systems = [message for message in earlier if message.role is Role.SYSTEM]
        fitting = [*systems, _shortened(request[-1], room_tokens - tokens_of_all(systems))]
    if tokens_of_all(fitting) > room_tokens:
        raise TokenBudgetExceeded(tokens_of_all(request), room_tokens)
    return fitting


def _shortened(message: NewMessage, room_tokens: int) -> NewMessage:
    """Return the message with as much of the end of its text as fits, one character at least."""
    if not isinstance(message.content, str) or message.role is Role.SYSTEM:
        return message
    text = message.content
    room_tokens -= tokens_of(message) - tokens_in(text)
    shortest, longest = 1, len(text)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if tokens_in(text[-middle:]) <= room_tokens:
            shortest = middle
        else:
            longest = middle - 1
    return message.model_copy(update={"content": text[-shortest:]})


def _whole_units(messages: Sequence[NewMessage]) -> list[range]:
    """Return the conversation in pieces that are kept or left out whole, oldest first."""
    units: list[range] = []
    partners = _partners(messages)
    for i in range(len(messages)):
        first = min(partners.get(i, i), i)
        while units and units[-1].stop > first:
            first = min(first, units.pop().start)
        units.append(range(first, i + 1))
    return units


def _partners(messages: Sequence[NewMessage]) -> dict[int, int]:
    """Return for each result the place of its call, and for each call that of a result."""
    calls: dict[str, int] = {}
    found: dict[int, int] = {}
    for i, message in enumerate(messages):
        calls.update(dict.fromkeys(call_ids(message), i))
        call = calls.get(message.tool_call_id or "")
        if message.role is Role.TOOL and call is not None:
            found[i], found[call] = call, i
    return found
