"""Paths of the PySpur dialect without the slash at their end lead to those with it."""

import pytest

from tests.api.asking import Api
from tests.api.pyspur_asking import each_mount

UNSLASHED = [
    ("POST", "/session"),
    ("GET", "/session"),
    ("POST", "/session/test"),
    ("GET", "/session/3f0cc6a5-9a4e-4a4b-9c39-6b2b6ad16b3c"),
    ("DELETE", "/session/3f0cc6a5-9a4e-4a4b-9c39-6b2b6ad16b3c"),
    ("POST", "/user"),
    ("GET", "/user"),
    ("GET", "/user/someone"),
    ("PATCH", "/user/someone"),
    ("DELETE", "/user/someone"),
]


@each_mount
@pytest.mark.parametrize(("method", "path"), UNSLASHED)
async def test_a_path_without_its_slash_is_sent_on_with_its_query(
    alice: Api, mount: str, method: str, path: str
) -> None:
    answer = await alice.ask(method, f"{mount}{path}?skip=1&user_id=a%26b%2Fc")

    assert answer.status_code == 307
    assert answer.headers["location"] == f"{mount}{path}/?skip=1&user_id=a%26b%2Fc"


async def test_a_path_without_slash_and_query_is_sent_on_without_query(alice: Api) -> None:
    answer = await alice.get("/session")

    assert answer.headers["location"] == "/session/"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/user/a%3Fb%23c%25d%0De", "/user/a%3Fb%23c%25d%0De/"),
        ("/user/auth0%7C%C3%A9", "/user/auth0%7C%C3%A9/"),
        ("/user/issuer/someone", "/user/issuer/someone/"),
        ("/user//evil.example", "/user//evil.example/"),
    ],
)
async def test_a_redirect_names_the_same_path_whatever_its_characters(
    alice: Api, path: str, location: str
) -> None:
    answer = await alice.get(path)

    assert answer.headers["location"] == location


async def test_a_client_that_follows_the_redirect_keeps_method_and_body(alice: Api) -> None:
    body = {"user_id": alice.user_id, "workflow_id": "agent", "external_id": "thread"}

    answer = await alice.ask("POST", "/session", json=body, follow_redirects=True)

    assert answer.status_code == 200
    assert answer.json()["external_id"] == "thread"
