"""The data check of the bench: a fast but wrong result must not pass."""

import pytest

from bench.load import Sent
from bench.stored import Entry, WrongData, check


def log(*texts: str) -> list[Entry]:
    return [Entry("session", seq, text) for seq, text in enumerate(texts, 1)]


def test_messages_stored_in_the_order_sent_pass() -> None:
    check(log("w0:1", "w1:1", "w0:2"), {"session": 3}, [Sent("w0", 2), Sent("w1", 1)])


def test_a_lost_message_is_found() -> None:
    with pytest.raises(WrongData, match=r"acknowledged and lost, among them \['w0:3'\]"):
        check(log("w0:1", "w0:2"), {"session": 2}, [Sent("w0", 3)])


def test_an_unacknowledged_message_may_be_missing() -> None:
    check(log("w0:1", "w0:2"), {"session": 2}, [Sent("w0", 3, unanswered=1)])


def test_a_doubled_message_is_found() -> None:
    with pytest.raises(WrongData, match="stored twice"):
        check(log("w0:1", "w0:1"), {"session": 2}, [Sent("w0", 1)])


def test_a_message_that_was_never_sent_is_found() -> None:
    with pytest.raises(WrongData, match="never sent"):
        check(log("w0:1", "w9:1"), {"session": 2}, [Sent("w0", 1)])


def test_a_gap_in_the_numbers_is_found() -> None:
    entries = [Entry("session", 1, "w0:1"), Entry("session", 3, "w0:2")]

    with pytest.raises(WrongData, match="gaps"):
        check(entries, {"session": 3}, [Sent("w0", 2)])


def test_a_head_with_the_wrong_end_is_found() -> None:
    with pytest.raises(WrongData, match="says 1, its log ends at 2"):
        check(log("w0:1", "w0:2"), {"session": 1}, [Sent("w0", 2)])


def test_messages_of_one_writer_out_of_order_are_found() -> None:
    with pytest.raises(WrongData, match="w0:1 stands behind w0:2"):
        check(log("w0:2", "w0:1"), {"session": 2}, [Sent("w0", 2)])


def test_writers_that_do_not_wait_for_responses_have_no_order() -> None:
    check(log("w0:2", "w0:1"), {"session": 2}, [Sent("w0", 2, sequential=False)])
