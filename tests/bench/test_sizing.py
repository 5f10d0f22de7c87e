"""The sizes in docs/scaling.md are those of the last measurement."""

from bench.results import RESULTS
from bench.sizing import DOCUMENT, tables

MEASURED = """
| work | connections | who | requests/s | CPU µs/request | peak MB |
| --- | --- | --- | --- | --- | --- |
| append | 64 | baseline | 1 | 9999 | 1 |
| append | 64 | **service** | 1 | 500 | 1 |
| append | 1 | **service** | 1 | 9999 | 1 |
| create | 64 | **service** | 1 | 250 | 1 |
| recent | 64 | **service** | 1 | 125 | 1 |
| list | 64 | **service** | 1 | 1000 | 1 |
| get | 64 | **service** | 1 | 100 | 1 |

| a | stored | bytes | of it on disk, compressed | of its indexes on disk |
| --- | --- | --- | --- | --- |
| message | 1,000 | 300 | 200 | 50 |
| session | 1,000 | 200 | 100 | 300 |
"""


def test_the_document_is_sized_by_the_last_results() -> None:
    wanted = tables(RESULTS.read_text())

    assert wanted in DOCUMENT.read_text(), "Run `python -m bench.sizing`, it writes the tables."


def test_a_core_serves_as_many_requests_as_their_cpu_time_allows() -> None:
    assert "| append | 500 µs | 2,000 |" in tables(MEASURED)


def test_sizes_follow_from_bytes_and_counts() -> None:
    a_billion = 10**9 * (200 + 50) + 10**9 // 20 * (100 + 300)

    assert a_billion == 270 * 10**9
    assert "| 10⁹ | 50,000,000 | 270 GB | 810 GB | 65 GB |" in tables(MEASURED)
