"""Paths and methods without an endpoint: the error has the shape the dialect's clients know."""

import pytest

from tests.api.asking import Api
from tests.rows import ROUTER

ID = "6f1f7c0e-3b52-4c5e-9f0e-0b8a4f3f2a11"


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/session/a/b/c", f"/sessions/{ID}/nothing"])
async def test_an_unknown_path_of_another_dialect_gets_that_dialects_error(
    alice: Api, path: str
) -> None:
    answer = await alice.get(path)

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Not Found"}


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/api/v1/sessions"), ("PATCH", f"/session/{ID}/")]
)
async def test_a_wrong_method_in_another_dialect_gets_that_dialects_error(
    alice: Api, method: str, path: str
) -> None:
    answer = await alice.ask(method, path)

    assert answer.status_code == 405
    assert answer.json() == {"detail": "Method Not Allowed"}


async def test_a_405_lists_all_methods_of_the_path(alice: Api) -> None:
    answer = await alice.ask("PUT", "/session/")

    assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/nothing", "native"),
        ("/", "ops"),
        ("/metrics/more", "ops"),
        ("/create/more", "native"),
        ("/sessions/create/more", "native"),
        ("/sessions/history/a/b", "native"),
        ("/sessions", "julep"),
        ("/sessions/", "julep"),
        ("/sessions/not-an-id/history", "julep"),
        ("/session", "pyspur"),
        ("/user", "pyspur"),
        ("/api/user/a/b", "pyspur"),
        ("/api/v1/nothing", "keyed"),
    ],
)
def test_the_dialect_of_a_path_is_that_of_the_most_similar_path_in_the_route_table(
    path: str, dialect: str
) -> None:
    assert ROUTER.dialect_of(path).name == dialect
