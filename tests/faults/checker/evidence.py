"""A history sorted for the checker: the requests for each session, the outcome of each message.

Whether something happened is known only in part. What is `OK` happened before its response came;
what is unknown may have happened at any time since it was sent, even after its client gave up.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from tests.faults.final_state import FinalState
from tests.faults.history import History, Kind, Operation, Outcome, Seen

READS = (Kind.HISTORY, Kind.RECENT, Kind.GET)


@dataclass
class SentMessage:
    """A message and the attempts to append it, in the order they were sent."""

    body: str
    key: str | None
    session: str
    place: int
    attempts: list[Operation] = field(default_factory=list)

    @property
    def call(self) -> int:
        return self.attempts[0].call

    @property
    def invoked_s(self) -> float:
        return self.attempts[0].invoked_s

    @cached_property
    def acknowledged(self) -> list[Operation]:
        return [attempt for attempt in self.attempts if attempt.is_acknowledged]

    @cached_property
    def acknowledged_s(self) -> float:
        """Return when it was first known to be stored; never: infinity."""
        return min((attempt.completed_s for attempt in self.acknowledged), default=math.inf)

    @property
    def may_be_stored(self) -> bool:
        return any(attempt.may_have_happened for attempt in self.attempts)


@dataclass
class SessionEvidence:
    """What its owner did with a session, in the order it was sent."""

    session: str
    owner: str
    created: Operation | None = None
    deletes: list[Operation] = field(default_factory=list)
    clears: list[Operation] = field(default_factory=list)
    reads: list[Operation] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    messages: list[SentMessage] = field(default_factory=list)

    @cached_property
    def may_be_deleted(self) -> bool:
        return any(delete.may_have_happened for delete in self.deletes)

    @cached_property
    def deleted(self) -> Operation | None:
        """Return the first response that says it is gone: to the delete, or 404 after one."""
        if not self.may_be_deleted:
            return None
        sent_s = min(delete.invoked_s for delete in self.deletes if delete.may_have_happened)
        proofs = [
            operation
            for operation in self.operations
            if (operation.kind is Kind.DELETE and operation.is_acknowledged)
            or (operation.status == 404 and operation.completed_s >= sent_s)
        ]
        return min(proofs, key=lambda operation: operation.completed_s, default=None)

    @cached_property
    def is_lasting(self) -> bool:
        """Say whether nothing can have removed messages from its log."""
        return not self.clears and not self.may_be_deleted

    def may_be_cleared_after(self, time_s: float) -> bool:
        return any(
            clear.outcome is Outcome.UNKNOWN or clear.completed_s > time_s for clear in self.clears
        )


class Evidence:
    """A history and its final state; built once, read by every invariant."""

    def __init__(self, history: History, state: FinalState) -> None:
        self.history = history
        self.state = state
        self.sessions: dict[str, SessionEvidence] = {}
        self.messages: dict[str, SentMessage] = {}
        self.foreign: list[Operation] = []
        self._sort()

    @cached_property
    def seqs(self) -> dict[str, int]:
        """Return the number of each message: the one at rest, or else the one seen."""
        found: dict[str, int] = {}
        for session in self.sessions.values():
            for read in session.reads:
                found.update((seen.body, seen.seq) for seen in read.seen if seen.seq is not None)
        for served in self.state.served.values():
            found.update((seen.body, seen.seq) for seen in served.log if seen.seq is not None)
        return found

    @cached_property
    def moved(self) -> set[str]:
        """Return the messages that may have had more than one number.

        A clear removes a message and its key: a later attempt appends it again, and so does
        one in flight.
        """
        return {
            message.body
            for session in self.sessions.values()
            for message in session.messages
            if session.clears and (len(message.attempts) > 1 or _met_a_clear(session, message))
        }

    def logs(self) -> Iterator[tuple[SessionEvidence, tuple[Seen, ...]]]:
        """Iterate over the logs that are shown at rest."""
        for id_, served in self.state.served.items():
            if id_ in self.sessions:
                yield self.sessions[id_], served.log

    def _sort(self) -> None:
        operations = sorted(self.history.operations, key=lambda op: (op.invoked_s, op.attempt))
        self._find_owners(operations)
        for operation in operations:
            if operation.session is not None and operation.kind is not Kind.CREATE:
                self._put(operation, operation.session)

    def _find_owners(self, operations: Iterable[Operation]) -> None:
        for id_, head in self.state.heads.items():
            self.sessions[id_] = SessionEvidence(id_, head.owner)
        for operation in operations:
            if operation.kind is Kind.CREATE and operation.session is not None:
                session = SessionEvidence(operation.session, operation.user)
                self.sessions.setdefault(operation.session, session).created = operation

    def _put(self, operation: Operation, id_: str) -> None:
        session = self.sessions.get(id_)
        if session is None or operation.user != session.owner:
            self.foreign.append(operation)
        else:
            session.operations.append(operation)
            if operation.kind is Kind.DELETE:
                session.deletes.append(operation)
            elif operation.kind is Kind.CLEAR and operation.may_have_happened:
                session.clears.append(operation)
            elif operation.kind in READS and operation.is_acknowledged:
                session.reads.append(operation)
        self._put_messages(operation, id_, session)

    def _put_messages(
        self, operation: Operation, id_: str, session: SessionEvidence | None
    ) -> None:
        for place, sent in enumerate(operation.sent):
            message = self.messages.get(sent.body)
            if message is None:
                message = SentMessage(sent.body, sent.key, id_, place)
                self.messages[sent.body] = message
                if session is not None:
                    session.messages.append(message)
            message.attempts.append(operation)


def _met_a_clear(session: SessionEvidence, message: SentMessage) -> bool:
    attempt = message.attempts[0]
    return session.may_be_cleared_after(attempt.invoked_s) and any(
        attempt.outcome is Outcome.UNKNOWN or clear.invoked_s < attempt.completed_s
        for clear in session.clears
    )
