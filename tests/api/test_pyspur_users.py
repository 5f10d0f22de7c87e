"""Users of the PySpur dialect: profiles at `/user/`, and the same under `/api`."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.api.asking import Api
from tests.api.pyspur_asking import each_mount, listed, make_session
from tests.every import every


async def make_user(api: Api, mount: str = "", **fields: Any) -> dict[str, Any]:
    body = {"external_id": api.user_id} | fields
    answer = await api.ask("POST", f"{mount}/user/", json=body)
    assert answer.status_code == 200, answer.text
    user: dict[str, Any] = answer.json()
    return user


async def users_of(api: Api, **params: Any) -> tuple[list[Any], int]:
    answer = await api.get("/user/", **params)
    assert answer.status_code == 200, answer.text
    return answer.json()["users"], answer.json()["total"]


async def patch(api: Api, user_id: str, body: Any, mount: str = "") -> dict[str, Any]:
    answer = await api.ask("PATCH", f"{mount}/user/{user_id}/", json=body)
    assert answer.status_code == 200, answer.text
    user: dict[str, Any] = answer.json()
    return user


@each_mount
async def test_create_shows_the_new_profile(alice: Api, mount: str) -> None:
    before = datetime.now(UTC).replace(microsecond=0)

    user = await make_user(alice, mount, user_metadata={"name": "Alice"})

    created, updated = user.pop("created_at"), user.pop("updated_at")
    assert before <= datetime.fromisoformat(created) <= datetime.now(UTC)
    assert updated == created
    assert user == {
        "id": alice.user_id,
        "external_id": alice.user_id,
        "user_metadata": {"name": "Alice"},
    }


async def test_create_shows_an_existing_profile_unchanged(alice: Api) -> None:
    first = await make_user(alice, user_metadata={"n": 1})
    second = await make_user(alice, user_metadata={"n": 2})

    assert first == second


async def test_null_metadata_is_treated_as_missing(alice: Api) -> None:
    assert (await make_user(alice, user_metadata=None))["user_metadata"] is None


async def test_racing_creates_of_one_user_agree(alice: Api) -> None:
    made = await asyncio.gather(*(make_user(alice, user_metadata={"n": n}) for n in range(10)))

    assert every(user == made[0] for user in made)


@each_mount
async def test_get_shows_the_profile(alice: Api, mount: str) -> None:
    made = await make_user(alice)

    answer = await alice.get(f"{mount}/user/{alice.user_id}/")

    assert answer.status_code == 200
    assert answer.json() == made


@pytest.mark.parametrize("name", ["auth0|1", "https://issuer.example/1", "a b", "é", "a%2Fb", "?#"])
async def test_a_user_id_may_contain_any_characters(admin: Api, name: str) -> None:
    user_id = f"{name}-{uuid4().hex}"
    made = await make_user(admin, external_id=user_id)

    answer = await admin.get(f"/user/{quote(user_id)}/")

    assert answer.json() == made


@each_mount
async def test_a_user_lists_only_their_own_profile(alice: Api, bob: Api, mount: str) -> None:
    own = await make_user(alice)
    await make_user(bob)

    answer = await alice.get(f"{mount}/user/")

    assert answer.status_code == 200
    assert answer.json() == {"users": [own], "total": 1}


async def test_a_user_without_a_profile_lists_none(alice: Api) -> None:
    assert await users_of(alice) == ([], 0)


async def test_an_admin_lists_all_profiles_page_by_page(admin: Api) -> None:
    for number in range(12):
        await make_user(admin, external_id=f"{number}-{uuid4().hex}")
    _, total = await users_of(admin)

    pages = [await users_of(admin, skip=skip, limit=5) for skip in range(0, total, 5)]

    ids = [user["id"] for users, _ in pages for user in users]
    assert ids == sorted(set(ids))
    assert len(ids) == total >= 12
    assert {of_all for _, of_all in pages} == {total}
    assert len((await users_of(admin))[0]) == 10


@each_mount
async def test_new_metadata_replaces_the_old(alice: Api, mount: str) -> None:
    made = await make_user(alice, user_metadata={"a": 1, "b": 2})

    changed = await patch(alice, alice.user_id, {"user_metadata": {"b": 3}}, mount)

    assert changed["user_metadata"] == {"b": 3}
    assert changed["created_at"] == made["created_at"]
    assert changed["updated_at"] > made["updated_at"]
    assert (await alice.get(f"/user/{alice.user_id}/")).json() == changed


@pytest.mark.parametrize(
    "body", [{}, {"user_metadata": None}, {"external_id": None}, {"id": "x"}], ids=str
)
async def test_an_empty_change_keeps_the_profile(alice: Api, body: dict[str, Any]) -> None:
    made = await make_user(alice, user_metadata={"a": 1})

    assert await patch(alice, alice.user_id, body) == made


async def test_a_change_may_repeat_the_external_id(alice: Api) -> None:
    made = await make_user(alice)

    assert await patch(alice, alice.user_id, {"external_id": alice.user_id}) == made


async def test_the_external_id_cannot_be_changed(alice: Api) -> None:
    made = await make_user(alice)

    answer = await alice.ask("PATCH", f"/user/{alice.user_id}/", json={"external_id": "other"})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "external_id"]
    assert (await alice.get(f"/user/{alice.user_id}/")).json() == made


@each_mount
async def test_delete_returns_204_and_deletes_the_sessions_too(
    alice: Api, bob: Api, mount: str
) -> None:
    await make_user(alice)
    for number in range(3):
        session = await make_session(alice, external_id=str(number))
        await alice.say(session["id"], "hello")
    kept = await make_session(bob)

    answer = await alice.ask("DELETE", f"{mount}/user/{alice.user_id}/")

    assert answer.status_code == 204
    assert answer.content == b""
    assert (await alice.get(f"/user/{alice.user_id}/")).status_code == 404
    assert await listed(alice) == ([], 0)
    assert (await alice.get(f"/session/{session['id']}/")).status_code == 404
    assert (await bob.get(f"/session/{kept['id']}/")).status_code == 200


async def test_racing_deletes_of_one_user_leave_nothing(alice: Api) -> None:
    await make_user(alice)
    for _ in range(10):
        await make_session(alice)

    answers = await asyncio.gather(
        *(alice.ask("DELETE", f"/user/{alice.user_id}/") for _ in range(3))
    )

    assert {answer.status_code for answer in answers} <= {204, 404}
    assert await listed(alice) == ([], 0)
    assert await users_of(alice) == ([], 0)


async def test_without_a_profile_nothing_is_deleted(alice: Api) -> None:
    await make_session(alice)

    answer = await alice.ask("DELETE", f"/user/{alice.user_id}/")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "User not found"}
    assert (await listed(alice))[1] == 1
