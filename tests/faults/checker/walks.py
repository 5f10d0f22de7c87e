"""I10: paging while others append shows each message exactly once."""

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.checker.evidence import Evidence, SessionEvidence
from tests.faults.checker.violation import Violation
from tests.faults.history import Operation


def check_walks(evidence: Evidence) -> Iterator[Violation]:
    for session in evidence.sessions.values():
        if session.is_lasting:
            for pages in _walks(session):
                yield from _problems(evidence, session, pages)


def _walks(session: SessionEvidence) -> Iterator[list[Operation]]:
    by_walk: defaultdict[int, list[Operation]] = defaultdict(list)
    for read in session.reads:
        if read.walk is not None:
            by_walk[read.walk].append(read)
    return iter(by_walk.values())


def _problems(
    evidence: Evidence, session: SessionEvidence, pages: list[Operation]
) -> Iterator[Violation]:
    shown = [seen.body for page in pages for seen in page.seen]
    there = set(shown)
    repeated = len(shown) - len(there)
    if repeated:
        problem = f"{repeated} messages are on more than one page"
        yield Violation("I10", problem, session.session, tuple(pages))
    seqs = {seq for body in there if (seq := evidence.seqs.get(body)) is not None}
    left_out = set(range(1, max(seqs, default=0))) - seqs
    if left_out:
        problem = f"seqs {sorted(left_out)} are on no page"
        yield Violation("I10", problem, session.session, tuple(pages))
    is_whole = len(pages[-1].seen) < (pages[-1].limit or 0)
    begun_s = pages[0].invoked_s
    missing = [
        message
        for message in session.messages
        if message.acknowledged_s < begun_s and message.body not in there
    ]
    if is_whole and missing:
        problem = f"{len(missing)} messages acknowledged before are on no page"
        operations = (*(attempt for m in missing[:3] for attempt in m.attempts), *pages)
        yield Violation("I10", problem, session.session, operations)
