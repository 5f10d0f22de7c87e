"""Which messages go to the model: rules that hold for every conversation and every budget."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from service.domain.chat.fitting import answered, cut_to_fit, newest_that_fit
from service.domain.chat.token_estimate import tokens_of, tokens_of_all
from service.domain.models import NewMessage, Role
from tests.chat.asking import CALL, assistant, result, system, user

IDS = st.sampled_from(["c1", "c2", "c3"])
TEXTS = st.text(min_size=1, max_size=40)
CALLS = st.lists(IDS, min_size=1, max_size=2, unique=True)
MESSAGES = st.one_of(
    TEXTS.map(user),
    TEXTS.map(assistant),
    TEXTS.map(system),
    CALLS.map(lambda ids: assistant(None, tool_calls=[{**CALL, "id": i} for i in ids])),
    st.builds(result, TEXTS, IDS),
)
CONVERSATIONS = st.lists(MESSAGES, max_size=25)
REQUESTS = st.lists(MESSAGES, min_size=1, max_size=4)
ROOMS = st.integers(-50, 400)


def places_of(kept: Sequence[NewMessage], messages: Sequence[NewMessage]) -> list[int]:
    """Return the positions in the conversation of exactly these objects."""
    places = {id(message): i for i, message in enumerate(messages)}
    return [places[id(message)] for message in kept]


def pairs_in(messages: Sequence[NewMessage]) -> list[tuple[int, int]]:
    """Return (call, result) for each result of a call: the newest call with its id."""
    return [
        (call, i)
        for i, message in enumerate(messages)
        if message.role is Role.TOOL
        for call in [_newest_call(messages[:i], message.tool_call_id)]
        if call is not None
    ]


def _newest_call(before: Sequence[NewMessage], call_id: str | None) -> int | None:
    calls = (
        i
        for i in reversed(range(len(before)))
        if any(call["id"] == call_id for call in before[i].tool_calls or ())
    )
    return next(calls, None)


def needed(stored: Sequence[NewMessage], request: Sequence[NewMessage]) -> set[int]:
    """Return what has to stay: system messages, and calls whose results are in the request."""
    pairs = pairs_in([*stored, *request])
    calls = {call for call, result in pairs if result >= len(stored)}
    partners = {result for call, result in pairs if call in calls and result < len(stored)}
    systems = {i for i, message in enumerate(stored) if message.role is Role.SYSTEM}
    return systems | {call for call in calls if call < len(stored)} | partners


@given(CONVERSATIONS, REQUESTS, ROOMS)
def test_a_window_exceeds_its_room_only_for_messages_that_have_to_stay(
    stored: list[NewMessage], request: list[NewMessage], room: int
) -> None:
    kept = newest_that_fit(stored, request, room)

    assert tokens_of_all(kept) <= room or set(places_of(kept, stored)) == needed(stored, request)


@given(CONVERSATIONS, REQUESTS, ROOMS)
def test_a_window_keeps_every_system_message_and_its_order(
    stored: list[NewMessage], request: list[NewMessage], room: int
) -> None:
    places = places_of(newest_that_fit(stored, request, room), stored)

    assert places == sorted(places)
    assert set(places) >= needed(stored, request)


@given(CONVERSATIONS, REQUESTS, ROOMS)
def test_a_window_never_separates_a_tool_call_from_its_results(
    stored: list[NewMessage], request: list[NewMessage], room: int
) -> None:
    kept = set(places_of(newest_that_fit(stored, request, room), stored))

    for call, answer in pairs_in([*stored, *request]):
        if answer < len(stored):
            assert (call in kept) == (answer in kept)
        elif call < len(stored):
            assert call in kept


@given(CONVERSATIONS, REQUESTS, ROOMS)
def test_a_window_is_the_newest_that_fits(
    stored: list[NewMessage], request: list[NewMessage], room: int
) -> None:
    kept = set(places_of(newest_that_fit(stored, request, room), stored))

    fixed = needed(stored, request)
    left_out = [i for i in range(len(stored)) if i not in kept]
    if left_out:
        # Everything kept in addition to what has to stay is newer than everything left out …
        newest = left_out[-1]
        assert all(i > newest for i in kept - fixed)
        # … and the next piece, a message with its inseparable messages, is too much.
        piece = _piece_ending_at(newest, stored) - fixed
        assert tokens_of_all(stored[i] for i in kept | piece) > room


def _piece_ending_at(last: int, stored: Sequence[NewMessage]) -> set[int]:
    first, pairs = last, pairs_in(stored)
    while True:
        calls = [call for call, answer in pairs if call < first <= answer <= last]
        if not calls:
            return set(range(first, last + 1))
        first = min(calls)


@given(CONVERSATIONS)
def test_a_conversation_that_fits_is_kept_whole(stored: list[NewMessage]) -> None:
    room = tokens_of_all(stored)

    assert newest_that_fit(stored, [user("x")], room) == stored


@given(CONVERSATIONS, REQUESTS)
def test_a_tool_call_or_result_without_its_counterpart_is_hidden(
    stored: list[NewMessage], request: list[NewMessage]
) -> None:
    shown = answered(stored, request)

    together = [*shown, *request]
    pairs = pairs_in(together)
    results = {answer for _, answer in pairs}
    for i, message in enumerate(shown):
        ids = {call["id"] for call in message.tool_calls or ()}
        replies = {together[answer].tool_call_id for call, answer in pairs if call == i}
        assert ids <= replies
        assert message.role is not Role.TOOL or i in results


@given(CONVERSATIONS)
def test_messages_that_are_neither_calls_nor_results_are_always_shown(
    stored: list[NewMessage],
) -> None:
    shown = answered(stored, [])

    plain = [m for m in stored if m.role is not Role.TOOL and not m.tool_calls]
    assert [m for m in shown if m.role is not Role.TOOL and not m.tool_calls] == plain


def test_a_result_in_the_request_answers_a_stored_call() -> None:
    stored = [user("find x"), assistant(None, tool_calls=[CALL])]

    assert answered(stored, [result("found")]) == stored
    assert answered(stored, [user("never mind")]) == stored[:1]


def test_a_call_is_dropped_with_its_result_even_if_the_result_alone_would_fit() -> None:
    stored = [assistant("x" * 400, tool_calls=[CALL]), result("found"), user("thanks")]

    kept = newest_that_fit(stored, [user("more")], tokens_of_all(stored[1:]))

    assert kept == stored[2:]


def test_a_message_within_a_pair_that_has_to_stay_is_left_out_by_itself() -> None:
    other = {**CALL, "id": "another"}
    call, late = assistant(None, tool_calls=[CALL]), result("found")
    stored = [call, user("x" * 400), assistant("y", tool_calls=[other]), late]
    request = [result("found again")]

    kept = newest_that_fit(stored, request, tokens_of_all([call, stored[2], late]))

    assert kept == [call, stored[2], late]


@given(REQUESTS, st.integers(20, 200))
def test_a_cut_request_keeps_its_last_message_and_is_as_small_as_possible(
    request: list[NewMessage], room: int
) -> None:
    cut = cut_to_fit(request, room)

    fixed = needed(request[:-1], request[-1:])
    smallest = tokens_of_all(request[i] for i in fixed)
    assert cut[-1].role is request[-1].role
    if request[-1].role is not Role.SYSTEM and isinstance(request[-1].content, str):
        assert str(request[-1].content).endswith(str(cut[-1].content))
        empty = request[-1].model_copy(update={"content": "\U0001f600"})
        assert tokens_of_all(cut) <= max(room, smallest + tokens_of(empty))
    else:
        assert cut[-1] == request[-1]


def test_the_beginning_of_a_text_that_does_not_fit_is_cut_off() -> None:
    words = " ".join(str(number) for number in range(1000))

    [cut] = cut_to_fit([user(words)], 50)

    assert str(cut.content).endswith("998 999")
    assert 45 <= tokens_of(cut) <= 50
