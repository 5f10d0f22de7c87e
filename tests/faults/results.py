"""The results of a fault: figures against their goals, and how to run it again."""

from dataclasses import dataclass, field
from typing import NamedTuple

MANY = 1000


class Figure(NamedTuple):
    """A measurement; `goal` says in words what it has to be, `holds` whether it is."""

    name: str
    goal: str
    measured: str
    holds: bool


def at_most(name: str, limit: float, measured: float, unit: str = "") -> Figure:
    return Figure(name, f"≤ {limit:g}{unit}", f"{_shown(measured)}{unit}", measured <= limit)


def at_least(name: str, limit: float, measured: float, unit: str = "") -> Figure:
    return Figure(name, f"≥ {limit:g}{unit}", f"{_shown(measured)}{unit}", measured >= limit)


def _shown(measured: float) -> str:
    # Counts are whole numbers, and large; for measurements, three digits are enough.
    return f"{measured:.3g}" if measured < MANY else f"{measured:.0f}"


def none_of(name: str, found: int) -> Figure:
    return Figure(name, "0", str(found), found == 0)


@dataclass
class Result:
    """The figures of one run of one fault; `notes` says what was done and found."""

    fault: str
    seed: int
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    took_s: float = 0

    @property
    def holds(self) -> bool:
        return all(figure.holds for figure in self.figures)

    def __str__(self) -> str:
        lines = [f"{self.fault} (SEED={self.seed}, {self.took_s:.0f} s)"]
        lines += [
            f"  {'ok  ' if f.holds else 'FAIL'} {f.name}: {f.measured} (goal {f.goal})"
            for f in self.figures
        ]
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def table(results: list[Result]) -> str:
    """Return the results as a Markdown table, one row per figure."""
    head = "| fault | figure | goal | measured | | seed | s |\n|---|---|---|---|---|---|---|"
    return "\n".join([head, *(row for result in results for row in _rows(result))])


def notes(results: list[Result]) -> list[str]:
    return [f"- {result.fault}: {note}" for result in results for note in result.notes]


def with_run_alone(report: str, result: Result) -> str:
    """Return the report with the rows and notes of one fault replaced by this run's."""
    lines = report.splitlines()
    last_row = max(index for index, line in enumerate(lines) if line.startswith("| "))
    lines = _put(lines, f"| {result.fault} |", _rows(result), last_row + 1)
    lines = _put(lines, f"- {result.fault}:", notes([result]), len(lines))
    return "\n".join(lines) + "\n"


def _put(lines: list[str], prefix: str, instead: list[str], otherwise: int) -> list[str]:
    """Return lines with those that start so replaced, or the new ones at a place if none does."""
    old = [index for index, line in enumerate(lines) if line.startswith(prefix)]
    place = old[0] if old else otherwise
    behind = [line for line in lines[place:] if not line.startswith(prefix)]
    return [*lines[:place], *instead, *behind]


def _rows(result: Result) -> list[str]:
    return [
        f"| {result.fault} | {f.name} | {f.goal} | {f.measured} | {'✓' if f.holds else '✗'} "
        f"| {result.seed} | {result.took_s:.0f} |"
        for f in result.figures
    ]
