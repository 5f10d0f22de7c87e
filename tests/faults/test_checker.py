"""The checker finds every planted bug, and nothing in a clean history."""

from collections import Counter
from pathlib import Path

import pytest

from tests.every import every
from tests.faults.checker import check, report
from tests.faults.final_state import load_state
from tests.faults.history import Kind, Outcome, Phase, Sample, load
from tests.faults.model_store import Bug
from tests.faults.simulation import simulate
from tests.sizes import sized

CLEAN_HISTORIES = sized(40, nightly=400)
# Enough for every bug to have a chance to appear.
PLANTED_APPENDS = 250
SEEDS = range(3)
FOUND_BY = {
    Bug.LOST_ACKNOWLEDGEMENT: "I1",
    Bug.DOUBLE: "I3",
    Bug.GAP: "I4",
    Bug.SWAP: "I5",
    Bug.ORPHAN: "I8",
    Bug.LEAK: "I9",
    Bug.STALE_PAGE: "I6",
    Bug.COUNT_DRIFT: "I7",
    Bug.HEAD_LEFT_BEHIND: "I7",
    Bug.PART_OF_AN_APPEND: "I4",
    Bug.APPEND_AFTER_DELETE: "I8",
    Bug.CUT_CONTENT: "I1",
    Bug.SHARED_CURSOR: "I10",
    Bug.WRONG_CLASS: "I11",
}


def broken(seed: int, bug: Bug) -> set[str]:
    history, state = simulate(seed, bug, PLANTED_APPENDS)
    return {violation.invariant for violation in check(history, state)}


@pytest.mark.parametrize("seed", range(CLEAN_HISTORIES))
def test_a_clean_history_raises_no_alarm(seed: int) -> None:
    history, state = simulate(seed)

    violations = check(history, state)

    assert not violations, report(violations, history)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("bug", Bug)
def test_a_planted_bug_is_found(bug: Bug, seed: int) -> None:
    found = broken(seed, bug)

    assert FOUND_BY[bug] in found


def test_clean_histories_contain_all_that_makes_checking_hard() -> None:
    met: Counter[str] = Counter()
    for seed in SEEDS:
        history, state = simulate(seed)
        stored = {entry.body for log in state.entries.values() for entry in log}
        for append in history.of_kind(Kind.APPEND):
            is_there = any(sent.body in stored for sent in append.sent)
            met[f"{append.outcome}, {'stored' if is_there else 'not stored'}"] += 1
            met["replayed"] += append.attempt > 1
            met["in a turn"] += len(append.sent) > 1

    assert every(
        met[what]
        for what in (
            f"{Outcome.UNKNOWN}, stored",
            f"{Outcome.UNKNOWN}, not stored",
            f"{Outcome.OK}, not stored",
            f"{Outcome.REFUSED}, not stored",
            "replayed",
            "in a turn",
        )
    ), met


def test_a_note_that_is_not_paid_is_found() -> None:
    history, state = simulate(0)
    state.notes = 1

    assert {violation.invariant for violation in check(history, state)} == {"I7"}


def test_a_saved_history_breaks_the_same_invariants_again(tmp_path: Path) -> None:
    history, state = simulate(1, Bug.SWAP)
    history.mark(0.5, "kill -9")
    history.sample(Sample(1.0, "service 1", Phase.BEFORE, 1, 2, 3, 4))
    history.save(tmp_path / "history")
    state.save(tmp_path / "state")

    again, state_again = load(tmp_path / "history"), load_state(tmp_path / "state")

    assert again == history
    assert check(again, state_again) == check(history, state)


def test_a_report_shows_the_operations_in_order_with_the_faults_between() -> None:
    history, state = simulate(1, Bug.SWAP)
    swaps = [v for v in check(history, state) if v.invariant == "I5"][:1]
    first, *_, last = sorted(swaps[0].operations, key=lambda op: op.invoked_s)
    history.mark((first.invoked_s + last.invoked_s) / 2, "kill -9 of the primary")

    lines = report(swaps, history).splitlines()

    assert lines[0] == "seed 1: 1 of I5"
    story = lines[lines.index(f"{swaps[0]}") + 1 :]
    begun_s = min(op.invoked_s for op in history.operations)
    assert story[0].startswith(f"  {first.invoked_s - begun_s:10.4f}")
    assert any(line.endswith("*** kill -9 of the primary") for line in story[1:-1])
    assert last.sent[0].body in story[-1]


@pytest.mark.parametrize(
    ("after", "is_found"),
    [
        (Sample(99, "service", Phase.AFTER, 109, 10, 10, 0), False),
        (Sample(99, "service", Phase.AFTER, 112, 10, 10, 0), True),
        (Sample(99, "service", Phase.AFTER, 100, 12, 10, 0), True),
        (Sample(99, "service", Phase.AFTER, 100, 10, 12, 0), True),
        (Sample(99, "service", Phase.AFTER, 100, 10, 10, 1), True),
    ],
    ids=["a tenth more", "memory", "sockets", "tasks", "pool"],
)
def test_resources_not_released_after_a_fault_are_found(after: Sample, *, is_found: bool) -> None:
    history, state = simulate(0)
    history.sample(Sample(1, "service", Phase.BEFORE, 100, 10, 10, 0))
    history.sample(Sample(50, "service", Phase.DURING, 900, 90, 90, 9))
    history.sample(after)

    found = {violation.invariant for violation in check(history, state)}

    assert found == ({"I12"} if is_found else set())


@pytest.mark.parametrize("phase", [Phase.BEFORE, Phase.DURING, Phase.AFTER])
def test_a_process_that_was_sampled_in_one_phase_only_is_found(phase: Phase) -> None:
    history, state = simulate(0)
    history.sample(Sample(1, "service", phase, 100, 10, 10, 0))

    found = [violation.invariant for violation in check(history, state)]

    assert found == ["I12"]
