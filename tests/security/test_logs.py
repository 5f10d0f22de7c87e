"""What a run of the service logs: JSON lines of listed fields, no conversations, no tokens."""

import json
import logging
import signal
import sys
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.observability.logs import FIELDS, JsonLines
from tests.api.asking import SECRET, Api
from tests.running import RunningService, run_service

CANARY = "canary-c4ca4238a0b9"
USER_ID = f"user-{CANARY}"
BASE = {"time", "level", "logger", "event", "request_id", "error", "at"}
NO_DATABASE = "mongodb://127.0.0.1:1"


def logged_by(service: RunningService) -> list[str]:
    """Stop the service and return what it wrote, but the lines that welcome its user."""
    service.process.send_signal(signal.SIGTERM)
    assert service.process.stdout is not None
    return [line for line in service.process.stdout.read().splitlines() if "Data: " not in line]


async def ask_everything(url: str) -> list[str]:
    """Put the canary wherever a client can; return the tokens that were used."""
    async with httpx2.AsyncClient(base_url=url, timeout=20) as client:
        api = Api(client, USER_ID)
        made = await api.ask("POST", f"/create?agent_id={CANARY}&title={CANARY}&key={CANARY}")
        session_id = made.json().get("session_id", uuid4())
        message = {"role": "user", "content": CANARY, "metadata": {CANARY: CANARY}, "id": CANARY}
        for body in (message, message, {**message, "content": f"other {CANARY}"}, {CANARY: CANARY}):
            await api.update(str(session_id), body)
        await api.ask("POST", f"/history/update/{session_id}", content=f'{{"{CANARY}')
        await api.ask("POST", "/user/", json={"external_id": USER_ID, "user_metadata": message})
        await api.ask("POST", "/api/v1/chat", json={"message": CANARY, "session_key": CANARY})
        for path in (f"/get/{session_id}", f"/get/{CANARY}", f"/get_all/{USER_ID}", f"/{CANARY}"):
            await api.ask("GET", f"{path}?limit={CANARY}", headers={"X-Request-Id": f"{CANARY}!"})
            await api.ask("GET", path, headers={CANARY: CANARY, "Cookie": CANARY})
        await client.get("/get_all/x", headers={"Authorization": f"Bearer {CANARY}.{CANARY}.x"})
        await api.ask("GET", f"/api/v1/sessions?metadata_filter={CANARY}")
        return [api.token]


@pytest.mark.parametrize("is_away", [False, True], ids=["a database", "no database"])
async def test_a_run_logs_neither_contents_nor_tokens(mongo_url: str, *, is_away: bool) -> None:
    settings = {
        "SESSIONS_MONGO_URL": NO_DATABASE if is_away else mongo_url,
        "SESSIONS_MONGO_DATABASE": f"logs_{uuid4().hex}",
        "SESSIONS_MONGO_TIMEOUT_S": "0.2" if is_away else "5",
        "SESSIONS_JWT_SECRET": SECRET,
        "SESSIONS_LOG_LEVEL": "debug",
    }

    with run_service(**settings) as service:
        tokens = await ask_everything(service.url)
        lines = logged_by(service)

    records: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert all(record.keys() <= BASE | set(FIELDS) for record in records)
    assert [r for r in records if r["event"] == "request answered" and r["status"] >= 200]
    text = "\n".join(lines)
    parts = {part for token in tokens for part in token.split(".")[1:]}
    assert [secret for secret in (CANARY, SECRET, *parts) if secret in text] == []


def written(logger: str, text: str, *args: object, **options: Any) -> dict[str, Any]:
    record = logging.getLogger(logger).makeRecord(
        logger, logging.ERROR, __file__, 1, text, args, options.pop("exc_info", None), **options
    )
    fields: dict[str, Any] = json.loads(JsonLines().format(record))
    return fields


def test_of_an_exception_only_the_kind_and_the_place_are_logged() -> None:
    try:
        int(CANARY)
    except ValueError:
        fields = written("service.x", "it failed", exc_info=sys.exc_info())

    assert fields["error"] == "ValueError"
    assert [at.partition(":")[0] for at in fields["at"]] == ["test_logs.py"]
    assert CANARY not in json.dumps(fields)


def test_of_what_libraries_say_the_values_are_left_out() -> None:
    fields = written("pymongo", "command %s failed", CANARY)

    assert fields["event"] == "command %s failed"


def test_fields_that_are_not_listed_are_left_out() -> None:
    fields = written("service.x", "done", extra={"content": CANARY, "status": 200})

    assert fields["status"] == 200
    assert "content" not in fields
