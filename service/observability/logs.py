"""Logs: one JSON object per line, with the fields that are listed here and no others.

Conversations and tokens never get here: for errors only the kind and the place are written, of
libraries' messages only the part that is always the same.
"""

import logging
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import orjson

OURS = "service"
# What a record may carry in addition to its text, in `extra`.
FIELDS = ("method", "route", "status", "duration_ms")
MAX_EVENT_CHARS = 200
MAX_FRAMES = 20
UNFINISHED_RESPONSE = "ASGI callable returned without completing response."

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
TRACE_ID: ContextVar[str | None] = ContextVar("trace_id", default=None)


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record)[:MAX_EVENT_CHARS].strip(),
            "request_id": REQUEST_ID.get(),
            "trace_id": TRACE_ID.get(),
            **{name: getattr(record, name, None) for name in FIELDS},
            **_failure(record),
        }
        shown = {name: value for name, value in fields.items() if value is not None}
        return orjson.dumps(shown, option=orjson.OPT_UTC_Z).decode()


def write_logs(level: str) -> None:
    """Write the logs of this process to stderr: ours from the level up, others' warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(OURS).setLevel(level.upper())
    uvicorn = logging.getLogger("uvicorn.error")
    # Uvicorn warns about every request that is not HTTP: anyone could fill the logs with them.
    uvicorn.setLevel(logging.ERROR)
    uvicorn.addFilter(_is_new)


def _is_new(record: logging.LogRecord) -> bool:
    """Say whether a record adds to what we have said ourselves about a document that we cut off."""
    return record.msg != UNFINISHED_RESPONSE


def _event(record: logging.LogRecord) -> str:
    is_ours = record.name.partition(".")[0] == OURS
    # Libraries may put into their texts what they were given.
    return record.getMessage() if is_ours else str(record.msg)


def _failure(record: logging.LogRecord) -> dict[str, Any]:
    if not record.exc_info or record.exc_info[1] is None:
        return {}
    error = record.exc_info[1]
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    at = [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "at": at}
