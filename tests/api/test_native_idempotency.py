"""Updates with an idempotency key: applied at most once, and a replay gets the first response."""

import asyncio

import pytest

from tests.api.asking import Api

KEY = {"Idempotency-Key": "key-1"}
HELLO = {"role": "user", "content": "hello"}


@pytest.mark.parametrize(
    ("headers", "extra"), [(KEY, {}), ({}, {"id": "key-1"})], ids=["header", "id in the body"]
)
async def test_a_replay_returns_the_first_response_and_stores_nothing(
    alice: Api, headers: dict[str, str], extra: dict[str, str]
) -> None:
    session_id = await alice.create()
    first = await alice.update(session_id, HELLO | extra, headers)
    await alice.say(session_id, "between")

    replay = await alice.update(session_id, HELLO | extra, headers)

    assert (replay.status_code, replay.json()) == (first.status_code, first.json())
    assert [m["content"] for m in await alice.history(session_id)] == ["hello", "between"]


async def test_the_same_key_with_other_content_is_409_and_stores_nothing(alice: Api) -> None:
    session_id = await alice.create()
    await alice.update(session_id, HELLO, KEY)

    answer = await alice.update(session_id, {"role": "user", "content": "other"}, KEY)

    assert answer.status_code == 409
    assert answer.json() == {
        "message": "Failed to update session history.",
        "error": "This idempotency key was already used in this session with other content. "
        "Send the same content again, or choose a new key.",
        "code": "idempotency_key_reused",
    }
    assert await alice.history(session_id) == [HELLO]


async def test_the_same_key_in_another_session_is_another_key(alice: Api) -> None:
    first, second = await alice.create(), await alice.create()
    await alice.update(first, HELLO, KEY)

    answer = await alice.update(second, HELLO, KEY)

    assert answer.status_code == 200
    assert await alice.history(second) == [HELLO]


async def test_the_header_takes_precedence_over_the_id_in_the_body(alice: Api) -> None:
    session_id = await alice.create()
    await alice.update(session_id, HELLO | {"id": "a"}, KEY)

    await alice.update(session_id, HELLO | {"id": "b"}, KEY)

    assert await alice.history(session_id) == [HELLO]


async def test_replays_at_the_same_time_store_one_message(alice: Api) -> None:
    session_id = await alice.create()

    answers = await asyncio.gather(*(alice.update(session_id, HELLO, KEY) for _ in range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert await alice.history(session_id) == [HELLO]


@pytest.mark.parametrize("key", ["", "k" * 257])
async def test_a_key_that_is_empty_or_too_long_is_400(alice: Api, key: str) -> None:
    session_id = await alice.create()

    answer = await alice.update(session_id, HELLO, {"Idempotency-Key": key})

    assert answer.status_code == 400
    assert "must be 1 to 256 characters long" in answer.json()["error"]


async def test_a_repeated_key_header_is_400(alice: Api) -> None:
    session_id = await alice.create()
    token = f"Bearer {alice.token}"

    answer = await alice.client.post(
        f"/history/update/{session_id}",
        json=HELLO,
        headers=[("Authorization", token), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
    )

    assert answer.status_code == 400
    assert answer.json()["error"] == "Idempotency-Key: must be given only once."
