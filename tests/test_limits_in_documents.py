"""The bounds that docs/api.md states are those that the service checks."""

from pathlib import Path

from config.settings import Settings
from service.api.dialects.keyed import DIALECT as KEYED
from service.api.dialects.native.shapes import HistoryQuery, ListQuery
from service.domain import rules
from service.domain.keys import MAX_DELETED_AT_ONCE
from service.domain.models import DEFAULT_CONTEXT_RESULTS
from service.observability.health import FAILING_AFTER_S

PAGE = (Path(__file__).parent.parent / "docs" / "api.md").read_text()
WORDS = " ".join(PAGE.split())
KIB = 1024


def rows() -> dict[str, str]:
    """Return the table of limits: what, and at most how much."""
    table = PAGE[PAGE.index("### Limits") : PAGE.index("## The other dialects")]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return dict(cells[1:])


def bounds(query: type[HistoryQuery | ListQuery]) -> str:
    schema = query.model_json_schema()["properties"]["limit"]
    # Pydantic's own words: the bounds are checked after a check of ours.
    return f"{schema['ge']} to {schema['le']}, default {schema['default']}"


def test_the_table_of_limits_has_the_numbers_of_the_rules() -> None:
    body_bytes = Settings.model_fields["max_body_bytes"].default

    assert rules.MAX_CONTENT_BYTES == rules.MAX_REASONING_BYTES == rules.MAX_TOOL_CALLS_BYTES
    assert rules.MAX_ID_CHARS == rules.MAX_KEY_CHARS
    assert rows() == {
        "a body (a setting)": f"{body_bytes // KIB // KIB} MiB",
        "`content`, `reasoning_content`, `tool_calls`": (
            f"{rules.MAX_CONTENT_BYTES // KIB} KiB each"
        ),
        "`metadata` and all fields of a message that are not listed here, together": (
            f"{rules.MAX_METADATA_BYTES // KIB} KiB"
        ),
        "a Julep session's `situation`; its `tools`": (
            f"{rules.MAX_SITUATION_BYTES // KIB} KiB; {rules.MAX_TOOLS_BYTES // KIB} KiB"
        ),
        "`agent_id`, user ids, session keys, idempotency keys": f"{rules.MAX_ID_CHARS} characters",
        "`title`; `name` and `tool_call_id`": (
            f"{rules.MAX_TITLE_CHARS} characters; {rules.MAX_NAME_CHARS} characters"
        ),
        "nesting of JSON": f"{rules.MAX_JSON_DEPTH} levels",
        "`max_context_results`; `token_budget`": (
            f"{rules.MAX_CONTEXT_RESULTS}; {rules.MAX_TOKEN_BUDGET}"
        ),
    }


def test_the_bounds_of_pages_are_those_of_the_queries() -> None:
    assert f"(`limit` {bounds(HistoryQuery)}; `skip`)" in WORDS
    assert f"`limit` {bounds(ListQuery)}; `skip`" in WORDS


def test_the_other_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"`max_context_results` (default {DEFAULT_CONTEXT_RESULTS})" in WORDS
    assert f"({MAX_DELETED_AT_ONCE} at a time)" in WORDS
    assert f"{KEYED.requests_per_minute} requests a minute" in WORDS
    assert f"after {FAILING_AFTER_S} s without a response from MongoDB" in WORDS
