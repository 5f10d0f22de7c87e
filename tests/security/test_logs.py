"""Log records become JSON lines of listed fields; of errors, only the kind and the place."""

import json
import logging
import sys
from typing import Any

from service.observability.logs import JsonLines

CANARY = "canary-c4ca4238a0b9"


def written(logger: str, text: str, *args: object, **options: Any) -> dict[str, Any]:
    record = logging.getLogger(logger).makeRecord(
        logger, logging.ERROR, __file__, 1, text, args, options.pop("exc_info", None), **options
    )
    fields: dict[str, Any] = json.loads(JsonLines().format(record))
    return fields


def test_only_the_kind_and_the_place_of_an_exception_are_logged() -> None:
    try:
        int(CANARY)
    except ValueError:
        fields = written("service.x", "it failed", exc_info=sys.exc_info())

    assert fields["error"] == "ValueError"
    assert [at.partition(":")[0] for at in fields["at"]] == ["test_logs.py"]
    assert CANARY not in json.dumps(fields)


def test_values_in_log_messages_of_libraries_are_left_out() -> None:
    fields = written("pymongo", "command %s failed", CANARY)

    assert fields["event"] == "command %s failed"


def test_unlisted_fields_are_left_out() -> None:
    fields = written("service.x", "done", extra={"content": CANARY, "status": 200})

    assert fields["status"] == 200
    assert "content" not in fields
