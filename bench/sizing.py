"""The sizing tables of docs/scaling.md, computed from the measurements in bench/RESULTS.md."""

import re
from collections.abc import Iterator

from bench.contenders import ROOT, SERVICE
from bench.results import RESULTS, table

DOCUMENT = ROOT / "docs" / "scaling.md"
BEGIN = "<!-- sizing: `python -m bench.sizing` writes these tables from bench/RESULTS.md -->\n"
END = "<!-- end of sizing -->\n"
CONNECTIONS = "64"
WORKS = ("append", "create", "recent", "list", "get")
US_PER_S = 1_000_000
MESSAGES_PER_SESSION = 20
COPIES = 3
SCALES = {"10⁶": 10**6, "10⁹": 10**9, "10¹²": 10**12}
UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"))


def tables(results: str) -> str:
    costs = list(_rows(results, "CPU µs/request"))
    of_service = {
        row["work"]: int(row["CPU µs/request"])
        for row in costs
        if row["connections"] == CONNECTIONS and row["who"].strip("*") == SERVICE
    }
    stored = {row["a"]: row for row in _rows(results, "of it on disk, compressed")}
    bytes_of = {
        what: (int(row["of it on disk, compressed"]), int(row["of its indexes on disk"]))
        for what, row in stored.items()
    }
    return f"{_requests(of_service)}\n{_documents(bytes_of)}\n{_scales(bytes_of)}"


def write() -> None:
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{tables(RESULTS.read_text())}\n{END}{after}")


def _requests(cpu_us: dict[str, int]) -> str:
    columns = ("request, 64 connections", "CPU of the service", "requests/s for each core of it")
    rows = [(work, f"{cpu_us[work]} µs", f"{US_PER_S // cpu_us[work]:,}") for work in WORKS]
    return table(columns, rows)


def _documents(bytes_of: dict[str, tuple[int, int]]) -> str:
    rows = [
        (f"a {what}", f"{data} B", f"{indexes} B", f"{data + indexes} B")
        for what, (data, indexes) in bytes_of.items()
    ]
    return table(("stored", "itself, compressed", "its indexes", "together"), rows)


def _scales(bytes_of: dict[str, tuple[int, int]]) -> str:
    columns = (
        *("messages", f"sessions of {MESSAGES_PER_SESSION}", "one copy", f"{COPIES} copies"),
        "indexes of one copy",
    )
    return table(columns, [_scale(name, n, bytes_of) for name, n in SCALES.items()])


def _scale(name: str, messages: int, bytes_of: dict[str, tuple[int, int]]) -> tuple[str, ...]:
    sessions = messages // MESSAGES_PER_SESSION
    counts = {"message": messages, "session": sessions}
    copy = sum(sum(bytes_of[what]) * count for what, count in counts.items())
    indexes = sum(bytes_of[what][1] * count for what, count in counts.items())
    return (name, f"{sessions:,}", _size(copy), _size(COPIES * copy), _size(indexes))


def _size(size_bytes: int) -> str:
    divisor, unit = next(unit for unit in UNITS if size_bytes >= unit[0])
    return f"{size_bytes / divisor:.3g} {unit}"


def _rows(results: str, column: str) -> Iterator[dict[str, str]]:
    """Yield the rows of the table with this column."""
    rows = rf"^\|.*\| {re.escape(column)} \|.*(\n\|.*)*"
    found = re.search(rows, results, re.MULTILINE)
    if found is None:
        raise ValueError(f"bench/RESULTS.md has no table with a column '{column}'.")
    header, _, *lines = [_cells(line) for line in found[0].split("\n")]
    for cells in lines:
        yield dict(zip(header, cells, strict=True))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


if __name__ == "__main__":
    write()
