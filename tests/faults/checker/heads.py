"""I7: at rest, `message_count`, `last_active` and `preview` agree with the log, in lists too."""

from collections.abc import Iterator

from tests.faults.checker.evidence import Evidence
from tests.faults.checker.violation import Violation
from tests.faults.final_state import Served, StoredEntry, StoredHead


def check_heads(evidence: Evidence) -> Iterator[Violation]:
    state = evidence.state
    if state.notes:
        yield Violation("I7", f"{state.notes} notes of heads that are behind are not paid", "")
    for id_, served in state.served.items():
        head = state.heads.get(id_)
        if head is None:
            yield Violation("I7", "a session without a head is shown", id_)
            continue
        if stored := state.entries.get(id_):
            last = stored[-1]
            if last.seq > head.end or (last.seq >= head.start and head.preview != last.preview):
                problem = f"lists show the log up to {head.end}, it ends at {last.seq}"
                yield Violation("I7", problem, id_)
        log = [e for e in state.entries.get(id_, ()) if head.start <= e.seq <= head.end]
        session = evidence.sessions[id_]
        operations = (*session.clears, *(m.attempts[-1] for m in session.messages[-1:]))
        for problem in _problems(served, head, log, is_cleared=bool(session.clears)):
            yield Violation("I7", problem, id_, operations)


def _problems(
    served: Served, head: StoredHead, log: list[StoredEntry], *, is_cleared: bool
) -> Iterator[str]:
    if served.message_count != len(served.log):
        yield f"message_count is {served.message_count}, the log has {len(served.log)} messages"
    preview = log[-1].preview if log else None
    if served.preview != preview:
        yield f"the preview is {served.preview}, the last message {preview}"
    times = [entry.created_at for entry in log]
    earliest = times[-1] if times else head.created_at
    latest = max([head.created_at, *times])
    if served.last_active < earliest or (served.last_active > latest and not is_cleared):
        yield f"last_active is {served.last_active}, not {earliest} … {latest}"
