"""How much of a fault: so many times, over so many appends."""

from typing import NamedTuple


class Size(NamedTuple):
    appends: int
    times: int = 0
    rate_per_s: float = 400
