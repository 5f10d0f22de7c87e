"""What any client may request about the service without a token."""

import re
from importlib.metadata import version

import httpx2
import pytest
from prometheus_client import CollectorRegistry, Gauge

from service.app import SessionService
from service.observability import watching
from service.observability.metrics import exposition
from tests.api.asking import Api
from tests.observability.conftest import asking, running_app
from tests.observability.samples import sample
from tests.rows import DIALECTS
from tests.served import until

AWAY = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100"


async def test_the_service_says_what_it_is(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/")

    assert answer.status_code == 200
    assert answer.json()["name"] == "session-service"
    assert answer.json()["version"] == version("session-service")
    assert answer.json()["dialects"].keys() == {dialect.name for dialect in DIALECTS}


async def test_its_links_lead_somewhere(client: httpx2.AsyncClient) -> None:
    links = (await client.get("/")).json()["links"]

    assert links
    assert {(await client.get(link)).status_code for link in links.values()} == {200}


async def test_a_process_with_its_database_is_ready(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "failed": []})


async def test_a_process_that_is_stopping_says_so_and_is_alive(
    app: SessionService, client: httpx2.AsyncClient
) -> None:
    app.readiness.drain()

    ready, live = await client.get("/readyz"), await client.get("/livez")

    assert (ready.status_code, ready.json()["failed"]) == (503, ["draining"])
    assert (live.status_code, live.json()) == (200, {"status": "alive"})


async def test_a_process_without_a_database_is_alive_and_not_ready() -> None:
    async with running_app(AWAY, mongo_timeout_s=0.2) as app, asking(app) as client:
        ready, live = await client.get("/readyz"), await client.get("/livez")

    assert (ready.status_code, ready.json()["failed"]) == (503, ["mongodb", "indexes"])
    assert live.status_code == 200


async def test_metrics_are_in_the_format_of_prometheus(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE sessions_append_commit_seconds histogram" in answer.text


async def test_metrics_with_their_own_port_are_on_no_other(mongo_url: str) -> None:
    async with running_app(mongo_url, metrics_port=9464) as app, asking(app) as client:
        answer = await client.get("/metrics")

    assert answer.status_code == 404


async def test_an_append_is_counted_in_batches_and_in_commands(alice: Api) -> None:
    names = ["sessions_append_batch_size_sum", "sessions_append_commit_seconds_count"]
    before = [sample(name) for name in names]
    session_id = await alice.create()

    await alice.say(session_id, "hello", "again")

    assert [sample(name) - then for name, then in zip(names, before, strict=True)] == [2, 2]
    assert sample("sessions_mongo_command_duration_seconds_count", command="insert") > 0


async def test_reading_a_window_twice_counts_one_hit(alice: Api) -> None:
    session_id = await alice.create()
    await alice.say(session_id, "hello")
    await alice.history(session_id)
    before = sample("sessions_cache_hits_total")

    await alice.history(session_id)

    await until(lambda: sample("sessions_cache_hits_total") > before)


async def test_connections_are_counted_while_they_are_open(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Clients of other tests may still be closing theirs, and would be counted in the usual gauge.
    alone = CollectorRegistry()
    gauge = Gauge("connections", "Those of this test.", ["state"], registry=alone)
    monkeypatch.setattr(watching, "MONGO_CONNECTIONS", gauge)

    def open_now() -> float:
        states = [alone.get_sample_value("connections", {"state": s}) for s in ("idle", "in_use")]
        return sum(count or 0 for count in states)

    async with running_app(mongo_url):
        during = open_now()

    assert during > 0
    await until(lambda: open_now() == 0)


@pytest.mark.parametrize("path", ["/history/{}", "/get/{}", "/sessions/{}", "/nowhere/{}"])
async def test_no_label_holds_a_session_a_user_or_a_path(alice: Api, path: str) -> None:
    session_id = await alice.create("an-agent-of-this-test")
    await alice.say(session_id, "hello")
    await alice.get(path.format(session_id))
    await alice.get(f"/get_all/{alice.user_id}")

    labels = " ".join(re.findall(r"\{(.*)\}", exposition(None).decode()))

    assert 'route="/create"' in labels
    assert session_id not in labels
    assert alice.user_id not in labels
    assert "an-agent-of-this-test" not in labels
