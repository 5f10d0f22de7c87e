"""A slash at the end of a path makes no difference, and no client is redirected because of it."""

from typing import Any

import pytest

from tests.api.asking import Api
from tests.rows import BY_NAME, ROUTER, ROWS, Row
from tests.security.matrix import MATRIX

ID = "6f1f7c0e-3b52-4c5e-9f0e-0b8a4f3f2a11"
TEXT_LAST = [row for row in ROWS if row.path.endswith(":path}")]
OTHERS = [row for row in ROWS if row not in TEXT_LAST and row.path != "/"]


def filled(path: str) -> str:
    for name, kind in (("session_id", ":uuid"), ("session_id", ""), ("user_id", ":path")):
        path = path.replace(f"{{{name}{kind}}}", ID)
    return path.replace("{agent_id:path}", ID).replace("{key:path}", ID)


def other(path: str) -> str:
    """Return the path without its slash, or with one."""
    return path.removesuffix("/") if path.endswith("/") else f"{path}/"


@pytest.mark.parametrize("row", OTHERS, ids=str)
def test_the_path_with_and_without_the_slash_is_the_same_endpoint(row: Row) -> None:
    path = filled(row.path)

    as_written, otherwise = ROUTER.find(path), ROUTER.find(other(path))

    assert as_written is not None
    assert as_written == otherwise
    assert as_written[0].endpoints[row.method] is row.endpoint


@pytest.mark.parametrize("row", OTHERS, ids=str)
async def test_it_is_served_directly_with_its_query_and_body(alice: Api, row: Row) -> None:
    cell = MATRIX[str(row)]
    query = cell.query.replace("{owner}", alice.user_id).replace("{agent}", "a")
    query = query.replace("{key}", "k").replace("{{secret}}", "%7B%7D")

    async def ask(path: str) -> Any:
        answer = await alice.ask(row.method, f"{path}?{query}", json=cell.body or None)
        return answer.status_code, answer.headers.get("location"), answer.headers.get("allow")

    as_written, otherwise = await ask(filled(row.path)), await ask(other(filled(row.path)))

    assert otherwise == as_written
    assert as_written[1] is None


@pytest.mark.parametrize("row", TEXT_LAST, ids=str)
def test_text_at_the_end_of_a_path_keeps_its_slash(row: Row) -> None:
    found = ROUTER.find(filled(row.path) + "/")

    assert found is not None
    assert list(found[1].values()) == [f"{ID}/"]


@pytest.mark.parametrize("path", ["/create//", f"/history/{ID}//", "/livez//", "/session//"])
async def test_two_slashes_are_another_path(alice: Api, path: str) -> None:
    answer = await alice.get(path)

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "problem"),
    [
        ("GET", "/get_all/{}/", "ends in a slash"),
        ("GET", "/sessions/get_all/{}/", "ends in a slash"),
    ],
)
async def test_a_user_id_refused_for_its_slash_is_named(
    alice: Api, method: str, path: str, problem: str
) -> None:
    answer = await alice.ask(method, path.format(alice.user_id))

    assert answer.status_code == 403
    assert problem in answer.json()["error"]


async def test_a_key_not_found_because_of_its_slash_is_named(alice: Api) -> None:
    await alice.create(key="mine")

    for method in ("GET", "DELETE"):
        answer = await alice.ask(method, "/api/v1/sessions/mine/")

        assert answer.status_code == 404
        assert answer.json() == {"detail": "Session not found: its key would end in a slash"}


async def test_a_key_that_ends_in_export_and_a_slash_is_that_key(alice: Api) -> None:
    for key in ("a", "a/export", "a/export/"):
        await alice.create(key=key)

    exported = await alice.get("/api/v1/sessions/a/export/")
    deleted = await alice.ask("DELETE", "/api/v1/sessions/a/export/")
    then = await alice.get("/api/v1/sessions/a/export/")

    assert exported.json()["key"] == "a/export/"
    assert deleted.json() == {"deleted": True, "key": "a/export/"}
    assert then.json()["key"] == "a"
    assert (await alice.get("/api/v1/sessions")).json()["sessions"] == ["a", "a/export"]


def test_every_row_of_this_test_is_in_the_route_table() -> None:
    assert len(OTHERS) + len(TEXT_LAST) + 1 == len(BY_NAME)
