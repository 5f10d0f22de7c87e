"""Test sessions of the PySpur dialect: one empty session per workflow, until it is used."""

from tests.api.asking import Api
from tests.api.pyspur_asking import each_mount, make_session, make_test_session


@each_mount
async def test_an_empty_test_session_is_reused(alice: Api, agent_id: str, mount: str) -> None:
    first = await make_test_session(alice, agent_id, mount)
    second = await make_test_session(alice, agent_id, mount)

    assert second == first
    assert (first["user_id"], first["workflow_id"]) == (alice.user_id, agent_id)
    assert (first["external_id"], first["messages"]) == (None, [])


async def test_a_test_session_with_messages_is_not_reused(alice: Api, agent_id: str) -> None:
    first = await make_test_session(alice, agent_id)
    await alice.say(first["id"], "hello")

    second = await make_test_session(alice, agent_id)
    third = await make_test_session(alice, agent_id)

    assert first["id"] != second["id"]
    assert second["id"] == third["id"]


async def test_each_workflow_and_each_caller_has_its_own_test_session(
    alice: Api, bob: Api, agent_id: str
) -> None:
    made = [
        await make_test_session(alice, agent_id),
        await make_test_session(alice, f"other-{agent_id}"),
        await make_test_session(bob, agent_id),
    ]

    assert len({session["id"] for session in made}) == 3


async def test_an_ordinary_session_is_not_taken_for_a_test_session(
    alice: Api, agent_id: str
) -> None:
    ordinary = await make_session(alice, workflow_id=agent_id)

    test = await make_test_session(alice, agent_id)

    assert test["id"] != ordinary["id"]


async def test_a_test_session_comes_with_the_profile_of_its_user(alice: Api) -> None:
    path = f"/user/{alice.user_id}/"
    before = await alice.get(path)

    await make_test_session(alice, "agent")

    assert before.status_code == 404
    assert (await alice.get(path)).json()["id"] == alice.user_id
