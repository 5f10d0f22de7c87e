"""Which messages go to the model: pure rules over a conversation and a budget of tokens.

A system message is never left out, a tool call never parted from its results, and of the
rest it is always the newest that fits.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

from service.domain.chat.token_estimate import end_of, tokens_in, tokens_of, tokens_of_all
from service.domain.models import NewMessage, Role

AnyMessage = TypeVar("AnyMessage", bound=NewMessage)
AnyRequest = TypeVar("AnyRequest", bound=NewMessage)


def answered(stored: Sequence[AnyMessage], request: Sequence[NewMessage]) -> list[AnyMessage]:
    """Return the stored messages without calls that lack a result, and results of no call.

    The other half lies before the window, or never came; the request may bring it. A model
    refuses a prompt with half of a pair.
    """
    together: list[NewMessage] = [*stored, *request]
    call_of = _call_of(together)
    results: defaultdict[int, set[str | None]] = defaultdict(set)
    for i, call in call_of.items():
        results[call].add(together[i].tool_call_id)
    complete = {i for i, message in enumerate(together) if _call_ids(message) <= results[i]}
    return [
        message
        for i, message in enumerate(stored)
        if (call_of.get(i) in complete if message.role.answers_a_call else i in complete)
    ]


def with_open_reasoning(
    stored: Sequence[AnyMessage], request: Sequence[AnyRequest]
) -> tuple[list[AnyMessage], list[AnyRequest]]:
    """Return both with the reasoning of tool calls that no user has followed, and no other.

    Models that think want what they thought back as long as the turn lasts, and refuse or ignore
    it afterwards: https://api-docs.deepseek.com/guides/thinking_mode#tool-calls
    """
    users = [i for i, message in enumerate([*stored, *request]) if message.role is Role.USER]
    open_from = users[-1] if users else -1
    return (
        [_with_reasoning_if(i > open_from, message) for i, message in enumerate(stored)],
        [
            _with_reasoning_if(i > open_from, message)
            for i, message in enumerate(request, len(stored))
        ],
    )


def _with_reasoning_if(is_open: bool, message: AnyMessage) -> AnyMessage:  # noqa: FBT001
    if message.reasoning_content is None or (is_open and message.tool_calls):
        return message
    return message.model_copy(update={"reasoning_content": None})


def newest_that_fit(
    stored: Sequence[AnyMessage], request: Sequence[NewMessage], room_tokens: int
) -> list[AnyMessage]:
    """Return the stored messages that go before the request, which itself is not in the room.

    System messages stay, and so do calls whose results the request brings. Should these
    alone exceed the room, nothing else accompanies them.
    """
    needed = _needed(stored, request)
    used = tokens_of_all(stored[i] for i in needed)
    kept = set(needed)
    for unit in reversed(_units(stored, needed)):
        others = [i for i in unit if i not in needed]
        used += tokens_of_all(stored[i] for i in others)
        if used > room_tokens:
            break
        kept.update(others)
    return [stored[i] for i in sorted(kept)]


def cut_to_fit(messages: Sequence[NewMessage], room_tokens: int) -> list[NewMessage]:
    """Return the newest part of a request that does not fit as a whole.

    The oldest messages go first. When the last one does not fit together with what has to stay,
    the beginning of its text goes, too; what is left may still be too much.
    """
    *earlier, last = messages
    kept = newest_that_fit(earlier, [last], room_tokens - tokens_of(last))
    return [*kept, _shortened(last, room_tokens - tokens_of_all(kept))]


def _shortened(message: NewMessage, room_tokens: int) -> NewMessage:
    """Return the message with as much of the end of its text as fits, one character at least."""
    text = message.content
    if not isinstance(text, str) or message.role.instructs:
        return message
    room_tokens -= tokens_of(message) - tokens_in(text)
    return message.model_copy(update={"content": end_of(text, room_tokens) or text[-1:]})


def _needed(stored: Sequence[NewMessage], request: Sequence[NewMessage]) -> set[int]:
    call_of = _call_of([*stored, *request])
    calls = {call for result, call in call_of.items() if result >= len(stored)}
    return {
        i
        for i, message in enumerate(stored)
        if message.role.instructs or i in calls or call_of.get(i) in calls
    }


def _units(messages: Sequence[NewMessage], needed: set[int]) -> list[range]:
    """Return the conversation in pieces that are kept or left out whole, oldest first.

    What is kept in any case holds nothing else together.
    """
    call_of = _call_of(messages)
    units: list[range] = []
    for i in range(len(messages)):
        first = i if i in needed else call_of.get(i, i)
        while units and units[-1].stop > first:
            first = min(first, units.pop().start)
        units.append(range(first, i + 1))
    return units


def _call_of(messages: Sequence[NewMessage]) -> dict[int, int]:
    """Return, for each result, the place of its call: the newest before it with that id."""
    calls: dict[str, int] = {}
    found: dict[int, int] = {}
    for i, message in enumerate(messages):
        calls.update(dict.fromkeys(_call_ids(message), i))
        if message.role.answers_a_call and (message.tool_call_id or "") in calls:
            found[i] = calls[message.tool_call_id or ""]
    return found


def _call_ids(message: NewMessage) -> set[str]:
    ids = (call.get("id") for call in message.tool_calls or ())
    return {call_id for call_id in ids if isinstance(call_id, str)}
