"""Windows, compared with the same rule on a plain list."""

from hypothesis import given
from hypothesis import strategies as st

from service.domain.models import Session
from service.domain.window import Window, seqs_in

STARTS = st.integers(1, 50)
LENGTHS = st.integers(0, 30)
LIMITS = st.integers(1, 40)
SKIPS = st.integers(0, 40) | st.integers(0, 2**31 - 1)
WINDOWS = st.builds(
    Window,
    limit=LIMITS,
    skip=SKIPS,
    newest=st.booleans(),
    after=st.integers(0, 90),
    before=st.none() | st.integers(0, 90),
)


def session_with(start: int, length: int) -> Session:
    return Session(agent_id="agent", user_id="alice", start=start, end=start + length - 1)


def page_of(log: list[int], window: Window) -> list[int]:
    before = float("inf") if window.before is None else window.before
    between = [seq for seq in log if window.after < seq < before]
    in_sight = between[::-1] if window.newest else between
    return sorted(in_sight[window.skip :][: window.limit])


@given(STARTS, LENGTHS, WINDOWS)
def test_a_window_shows_the_same_as_a_slice_of_a_list(
    start: int, length: int, window: Window
) -> None:
    log = list(range(start, start + length))

    seqs = seqs_in(window, session_with(start, length))

    assert page_of(log, window) == list(seqs)
    assert len(page_of(log, window)) == len(seqs)


@given(start=STARTS, length=LENGTHS, limit=LIMITS, newest=st.booleans())
def test_consecutive_pages_show_each_message_once(
    *, start: int, length: int, limit: int, newest: bool
) -> None:
    session = session_with(start, length)

    pages = [
        list(seqs_in(Window(limit=limit, skip=skip, newest=newest), session))
        for skip in range(0, length + limit, limit)
    ]

    shown = [seq for page in (reversed(pages) if newest else pages) for seq in page]
    assert list(range(start, start + length)) == shown


@given(STARTS, LENGTHS, LIMITS, st.integers(0, 40), st.integers(1, 10))
def test_appended_messages_do_not_shift_pages_counted_from_the_oldest(
    start: int, length: int, limit: int, skip: int, appended: int
) -> None:
    window = Window(limit=limit, skip=skip)

    before = list(seqs_in(window, session_with(start, length)))
    after = list(seqs_in(window, session_with(start, length + appended)))

    assert before == after[: len(before)]


def test_a_window_counts_from_the_oldest_message_and_skips_none_by_default() -> None:
    assert range(3, 5) == seqs_in(Window(limit=2), session_with(3, 10))
