"""How much of a fault: how many times, over how many appends."""

from typing import NamedTuple


class Size(NamedTuple):
    appends: int
    times: int = 0
    rate_per_s: float = 400
