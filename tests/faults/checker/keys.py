"""I3: each idempotency key exists at most once, and each message, which is sent once or keyed."""

from collections import defaultdict
from collections.abc import Hashable, Iterator

from tests.faults.checker.evidence import Evidence
from tests.faults.checker.violation import Violation


def check_keys(evidence: Evidence) -> Iterator[Violation]:
    for id_, entries in evidence.state.entries.items():
        bodies = [(entry.body, entry.seq) for entry in entries]
        keys = [(entry.key, entry.seq) for entry in entries if entry.key is not None]
        yield from _doubled(evidence, id_, "message", bodies)
        yield from _doubled(evidence, id_, "key", keys)
    for session, log in evidence.logs():
        for read in session.reads:
            shown = [(seen.body, place) for place, seen in enumerate(read.seen)]
            for body, places in _repeated(shown):
                yield Violation(
                    "I3", f"message {body} is shown at positions {places}", session.session, (read,)
                )
        shown = [(seen.body, place) for place, seen in enumerate(log)]
        yield from _doubled(evidence, session.session, "shown message", shown)


def _doubled(
    evidence: Evidence, session: str, what: str, places: list[tuple[str, int]]
) -> Iterator[Violation]:
    for name, found in _repeated(places):
        message = evidence.messages.get(name)
        attempts = tuple(message.attempts) if message else ()
        yield Violation(
            "I3", f"{what} {name} exists {len(found)} times: {found}", session, attempts
        )


def _repeated(places: list[tuple[str, int]]) -> Iterator[tuple[str, list[int]]]:
    by_name: defaultdict[Hashable, list[int]] = defaultdict(list)
    for name, place in places:
        by_name[name].append(place)
    return ((str(name), found) for name, found in by_name.items() if len(found) > 1)
