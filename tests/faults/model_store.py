"""A store that keeps every promise, in memory; or breaks one, if a bug is planted in it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random

from service.domain.models import Message, Role, preview_of
from service.domain.window import Window
from tests.faults.bodies import hash_of, owners_in
from tests.faults.client import WHOLE_LOGS
from tests.faults.dialects import Ask, Facts
from tests.faults.final_state import FinalState, Served, StoredEntry, StoredHead
from tests.faults.history import Dialect, Head, Kind, Seen

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
STEP_S = 0.005
STEP_SHARE = 0.3
CHANCE = 0.5
"""How often a planted bug appears when it can."""
LONG_AGO_S = 0.25
WHOLE = 10_000
SHOWS_COUNTS = {Dialect.NATIVE, Dialect.KEYED}


class Bug(StrEnum):
    LOST_ACKNOWLEDGEMENT = "lost acknowledgement"
    DOUBLE = "double"
    GAP = "gap"
    SWAP = "swap"
    ORPHAN = "orphan"
    LEAK = "leak"
    STALE_PAGE = "stale page"
    COUNT_DRIFT = "count drift"
    HEAD_LEFT_BEHIND = "head left behind"
    PART_OF_AN_APPEND = "part of an append"
    APPEND_AFTER_DELETE = "append after delete"
    CUT_CONTENT = "cut content"
    SHARED_CURSOR = "shared cursor"
    WRONG_CLASS = "wrong class of error"


class Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Kept:
    text: str
    key: str | None
    stored_s: float


@dataclass
class Log:
    owner: str
    created_s: float
    active_s: float
    start: int = 1
    end: int = 0
    uncounted: int = 0
    cursor: int = 0
    is_deleted: bool = False
    kept: dict[int, Kept] = field(default_factory=dict)
    pages: dict[Window, list[tuple[int, Kept]]] = field(default_factory=dict)

    @property
    def message_count(self) -> int:
        return self.end - self.start + 1 - self.uncounted

    def seq_of(self, key: str | None) -> int | None:
        found = (n for n, kept in self.kept.items() if n >= self.start and kept.key == key)
        return None if key is None else next(found, None)


class ModelStore:
    """`time` is the clock; all chance comes from `random`."""

    def __init__(self, time: Callable[[], float], random: Random, bug: Bug | None) -> None:
        self._time = time
        self._random = random
        self._bug = bug
        self._logs: dict[str, Log] = {}
        self._owners: dict[str, tuple[str, ...]] = {}

    async def do(self, user: str, ask: Ask, *, messages: int | None = None) -> Facts:
        """Do what is requested; of an append only that many messages, as a crash would leave it.

        Raises:
            Refused: nothing was changed.
        """
        if ask.kind is Kind.CREATE:
            return self._create(user)
        if ask.kind is Kind.LIST:
            return self._list(user, ask)
        log = self._own(user, ask)
        if ask.kind is Kind.APPEND:
            return await self._append(log, ask, messages)
        if ask.kind is Kind.DELETE:
            self._delete(log)
        elif ask.kind is Kind.CLEAR:
            self._clear(log)
        else:
            return self._read(log, ask)
        return Facts()

    def owners(self, facts: Facts) -> tuple[str, ...]:
        """Return the owners whose canaries these facts contain."""
        return tuple(sorted({o for seen in facts.seen for o in self._owners[seen.body]}))

    def _create(self, user: str) -> Facts:
        session, now_s = f"session{len(self._logs)}", self._time()
        self._logs[session] = Log(user, now_s, now_s)
        return Facts(session=session)

    def _list(self, user: str, ask: Ask) -> Facts:
        own = {s: log for s, log in self._logs.items() if log.owner == user and not log.is_deleted}
        shows = ask.dialect in SHOWS_COUNTS
        return Facts(
            heads=tuple(Head(s, log.message_count if shows else None) for s, log in own.items())
        )

    def _own(self, user: str, ask: Ask) -> Log:
        log = self._logs[ask.session]
        is_missed = ask.kind is Kind.APPEND and self._shows(Bug.APPEND_AFTER_DELETE)
        if log.is_deleted and not is_missed:
            raise Refused(404)
        if log.owner != user:
            raise Refused(403)
        if ask.kind is not Kind.APPEND and self._shows(Bug.WRONG_CLASS):
            raise Refused(self._random.choice((404, 500)))
        return log

    async def _append(self, log: Log, ask: Ask, most: int | None) -> Facts:
        """Store the messages one by one, then show them: all together, or none."""
        if len(ask.messages) > 1 and self._shows(Bug.PART_OF_AN_APPEND):
            most = len(ask.messages) - 1
        seqs: list[int] = []
        for text, key in ask.messages[:most]:
            seqs.append(self._store(log, text, key))
            await asyncio.sleep(STEP_S if self._random.random() < STEP_SHARE else 0)
        if log.is_deleted and self._bug is not Bug.APPEND_AFTER_DELETE:
            # An operation between two of them may have removed only the first.
            log.kept = {seq: kept for seq, kept in log.kept.items() if seq not in seqs}
            raise Refused(404)
        if seqs:
            log.end = max(log.end, *seqs)
            stored_s = (log.kept[seq].stored_s for seq in seqs if seq in log.kept)
            log.active_s = max([log.active_s, *stored_s])
            log.uncounted += self._shows(Bug.COUNT_DRIFT)
        return Facts()

    def _store(self, log: Log, text: str, key: str | None) -> int:
        """Return the number of the message, even if its key existed before."""
        known = None if self._shows(Bug.DOUBLE) else log.seq_of(key)
        if known is not None or self._shows(Bug.LOST_ACKNOWLEDGEMENT):
            return known or log.end
        if self._shows(Bug.CUT_CONTENT):
            text = text[:-1]
        self._owners[hash_of(text)] = owners_in(text.encode())
        last = max([log.end, *log.kept])
        seq = last + 1 + self._shows(Bug.GAP)
        log.kept[seq] = Kept(text, key, self._time())
        before = log.kept.get(last)
        if before and before.stored_s < self._time() - LONG_AGO_S and self._shows(Bug.SWAP):
            log.kept[last], log.kept[seq] = log.kept[seq], before
        return seq

    def _delete(self, log: Log) -> None:
        log.is_deleted = True
        if not self._shows(Bug.ORPHAN):
            log.kept.clear()

    def _clear(self, log: Log) -> None:
        log.start, log.active_s, log.uncounted = log.end + 1, self._time(), 0
        log.kept = {seq: kept for seq, kept in log.kept.items() if seq >= log.start}

    def _read(self, log: Log, ask: Ask) -> Facts:
        is_whole = ask.kind is Kind.HISTORY and ask.dialect in WHOLE_LOGS
        skip, limit = (0, WHOLE) if is_whole else (ask.skip, ask.limit)
        if self._bug is Bug.SHARED_CURSOR and skip:
            skip = log.cursor
        page = self._page(log, Window(limit=limit, skip=skip, newest=ask.kind is not Kind.HISTORY))
        log.cursor = skip + len(page)
        shows_seqs = ask.dialect is Dialect.NATIVE
        seen = [Seen(hash_of(kept.text), seq if shows_seqs else None) for seq, kept in page]
        heads = (Head(ask.session, log.message_count if ask.dialect in SHOWS_COUNTS else None),)
        if ask.kind is not Kind.GET:
            return Facts(seen=tuple(seen))
        return Facts(seen=tuple(seen) if shows_seqs else (), heads=heads)

    def _page(self, log: Log, window: Window) -> list[tuple[int, Kept]]:
        if self._shows(Bug.LEAK):
            log = self._random.choice(list(self._logs.values()))
        if self._shows(Bug.STALE_PAGE) and window in log.pages:
            return log.pages[window]
        if window.newest:
            last = log.end - window.skip
            seqs = range(max(log.start, last - window.limit + 1), last + 1)
        else:
            first = log.start + window.skip
            seqs = range(first, min(log.end, first + window.limit - 1) + 1)
        page = [(seq, log.kept[seq]) for seq in seqs if seq in log.kept]
        log.pages[window] = page
        return page

    def _shows(self, bug: Bug) -> bool:
        return bug is self._bug and self._random.random() < CHANCE

    # At rest

    def final_state(self) -> FinalState:
        state = FinalState()
        for session, log in self._logs.items():
            entries = [_entry(seq, kept) for seq, kept in sorted(log.kept.items())]
            if entries:
                state.entries[session] = entries
            if log.is_deleted:
                state.gone[session] = dict.fromkeys(Dialect, 404)
            else:
                _put(state, session, log, entries)
                if entries and self._shows(Bug.HEAD_LEFT_BEHIND):
                    head = state.heads[session]
                    state.heads[session] = head._replace(end=head.end - 1)
        return state


def _put(state: FinalState, session: str, log: Log, entries: list[StoredEntry]) -> None:
    shown = [entry for entry in entries if log.start <= entry.seq <= log.end]
    last_active, preview = _time(log.active_s), shown[-1].preview if shown else None
    state.heads[session] = StoredHead(
        owner=log.owner,
        start=log.start,
        end=log.end,
        created_at=_time(log.created_s),
        last_active=last_active,
        preview=preview,
        is_deleted=False,
    )
    seen = tuple(Seen(entry.body, entry.seq) for entry in shown)
    state.served[session] = Served(log.message_count, last_active, preview, seen)


def _entry(seq: int, kept: Kept) -> StoredEntry:
    message = Message(role=Role.USER, content=kept.text)
    created_at = _time(kept.stored_s)
    return StoredEntry(seq, hash_of(kept.text), kept.key, created_at, preview_of(message))


def _time(time_s: float) -> datetime:
    return EPOCH + timedelta(seconds=time_s)
