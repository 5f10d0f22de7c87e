"""I8: what was deleted or cleared is gone forever, and leaves nothing behind."""

from collections.abc import Iterator

from tests.faults.checker.evidence import Evidence, SentMessage, SessionEvidence
from tests.faults.checker.violation import Violation
from tests.faults.history import Kind, Operation


def check_removals(evidence: Evidence) -> Iterator[Violation]:
    for session in evidence.sessions.values():
        deleted = session.deleted
        if deleted is not None:
            yield from _after_delete(evidence, session, deleted)
        for clear in session.clears:
            if clear.is_acknowledged:
                yield from _after_clear(evidence, session, clear)
    yield from _listed(evidence)
    yield from _orphans(evidence)


def _after_delete(
    evidence: Evidence, session: SessionEvidence, deleted: Operation
) -> Iterator[Violation]:
    for operation in session.operations:
        if operation.invoked_s > deleted.completed_s and operation.is_acknowledged:
            problem = f"{operation.kind} of a deleted session succeeded"
            yield Violation("I8", problem, session.session, (deleted, operation))
    statuses = evidence.state.gone.get(session.session, {})
    if session.session in evidence.state.served or set(statuses.values()) - {404}:
        problem = f"a deleted session is not 404 at rest: {statuses or 'it is shown'}"
        yield Violation("I8", problem, session.session, (deleted,))
    head = evidence.state.heads.get(session.session)
    if head is not None:
        problem = "the head of a deleted session still exists after the sweep"
        yield Violation("I8", problem, session.session, (deleted,))


def _listed(evidence: Evidence) -> Iterator[Violation]:
    for listing in evidence.history.of_kind(Kind.LIST):
        for head in listing.heads:
            session = evidence.sessions.get(head.session)
            deleted = session.deleted if session else None
            if deleted is not None and listing.invoked_s > deleted.completed_s:
                problem = "a deleted session is listed"
                yield Violation("I8", problem, head.session, (deleted, listing))


def _after_clear(
    evidence: Evidence, session: SessionEvidence, clear: Operation
) -> Iterator[Violation]:
    served = evidence.state.served.get(session.session)
    at_rest = {seen.body for seen in served.log} if served else set()
    gone = {m.body: m for m in session.messages if _was_done_before(m, clear)}
    for body in gone.keys() & at_rest:
        problem = f"message {body} was cleared but is in the final read"
        yield Violation("I8", problem, session.session, (*gone[body].attempts, clear))
    for read in session.reads:
        shown = gone.keys() & {seen.body for seen in read.seen}
        if shown and read.invoked_s > clear.completed_s:
            problem = f"cleared messages are shown: {', '.join(sorted(shown))}"
            yield Violation("I8", problem, session.session, (clear, read))


def _was_done_before(message: SentMessage, clear: Operation) -> bool:
    return all(
        attempt.completed_s < clear.invoked_s
        and (attempt.is_acknowledged or not attempt.may_have_happened)
        for attempt in message.attempts
    )


def _orphans(evidence: Evidence) -> Iterator[Violation]:
    for id_, entries in evidence.state.entries.items():
        head = evidence.state.heads.get(id_)
        if head is None or head.is_deleted:
            orphans = entries
        else:
            orphans = [entry for entry in entries if entry.seq < head.start]
        if orphans:
            session = evidence.sessions.get(id_)
            removals = (*session.deletes, *session.clears) if session else ()
            problem = f"{len(orphans)} stored messages belong to no log"
            yield Violation("I8", problem, id_, removals)
