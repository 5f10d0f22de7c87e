"""The sessions under load: a limited number at a time, each with its possible fate."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

MAX_APPENDS = 200
REMEMBERED_DEAD = 50
DEAD_SHARE = 0.05


class Fate(Enum):
    """What may happen to a session in addition to appends and reads."""

    KEPT = auto()
    CLEARED = auto()
    DELETED = auto()


@dataclass(eq=False)
class Target:
    session: str
    owner: str
    name: str | None
    fate: Fate
    appends: int = 0

    @property
    def is_full(self) -> bool:
        """Whether another session should take its place, so that reads of whole logs stay short."""
        return self.appends >= MAX_APPENDS


class Targets:
    """A limited number of live sessions; some recently deleted ones are requested as well."""

    def __init__(self, most: int, random: Random) -> None:
        self._most = most
        self._random = random
        self._live: list[Target] = []
        self._dead: deque[Target] = deque(maxlen=REMEMBERED_DEAD)

    @property
    def are_enough(self) -> bool:
        return len(self._live) >= self._most

    def any(self) -> Target:
        if self._dead and self._random.random() < DEAD_SHARE:
            return self._random.choice(self._dead)
        return self._random.choice(self._live)

    def any_of(self, fate: Fate) -> Target | None:
        found = [target for target in self._live if target.fate is fate]
        return self._random.choice(found) if found else None

    def add(self, target: Target) -> None:
        """Add it; if there are enough, the oldest with the same fate gives way."""
        if self.are_enough:
            self._live.remove(next((t for t in self._live if t.fate is target.fate), self._live[0]))
        self._live.append(target)

    def kill(self, target: Target) -> bool:
        """Remove it before it is deleted, unless it is already removed or the last one."""
        if target not in self._live or len(self._live) == 1:
            return False
        self._live.remove(target)
        self._dead.append(target)
        return True
