from typing import Any

import pytest

from config.settings import Settings
from service.auth.claims import MAX_LIFETIME_S
from service.auth.configured import authenticator_for
from service.auth.errors import ConfigurationError
from service.auth.mint import mint
from service.domain.access import Caller
from service.domain.errors import InvalidInput, TooLarge
from tests.auth.signing import SECRET, bearer

GOOD: dict[str, Any] = {"user_id": "ann", "scopes": [], "lifetime_s": 60}


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_a_minted_token_is_accepted(algorithm: str) -> None:
    settings = Settings(_env_file=None, jwt_secret=SECRET, jwt_algorithms=(algorithm,))

    token = mint(SECRET, **GOOD, algorithm=algorithm)

    assert await authenticator_for(settings).caller(bearer(token)) == Caller(user_id="ann")


async def test_a_minted_token_carries_issuer_and_audience() -> None:
    settings = Settings(_env_file=None, jwt_secret=SECRET, jwt_issuer="i", jwt_audience="a")

    token = mint(SECRET, **GOOD, issuer="i", audience="a")

    assert await authenticator_for(settings).caller(bearer(token)) == Caller(user_id="ann")


async def test_a_minted_token_carries_scopes_with_spaces() -> None:
    scopes = {"sessions:admin", "sessions:agent:my agent"}
    settings = Settings(_env_file=None, jwt_secret=SECRET)

    token = mint(SECRET, **{**GOOD, "scopes": scopes})

    assert (await authenticator_for(settings).caller(bearer(token))).scopes == scopes


@pytest.mark.parametrize("lifetime_s", [1, MAX_LIFETIME_S])
async def test_the_shortest_and_the_longest_lifetime_are_accepted(lifetime_s: int) -> None:
    settings = Settings(_env_file=None, jwt_secret=SECRET)

    token = mint(SECRET, **{**GOOD, "lifetime_s": lifetime_s})

    assert await authenticator_for(settings).caller(bearer(token)) == Caller(user_id="ann")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", ""),
        ("user_id", "x" * 257),
        ("user_id", "a\x00b"),
        ("scopes", [""]),
        ("scopes", ["x" * 272]),
        ("scopes", [str(number) for number in range(101)]),
        ("lifetime_s", 0),
        ("lifetime_s", MAX_LIFETIME_S + 1),
        ("algorithm", "RS256"),
        ("algorithm", "none"),
    ],
)
def test_a_token_that_would_be_refused_is_not_minted(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        mint(SECRET, **{**GOOD, field: value})

    assert refusal.value.field == field


def test_a_token_of_more_than_8_kib_is_not_minted() -> None:
    scopes = [f"{number:0271}" for number in range(100)]

    with pytest.raises(TooLarge):
        mint(SECRET, **{**GOOD, "scopes": scopes})


def test_an_unfit_secret_mints_nothing() -> None:
    with pytest.raises(ConfigurationError):
        mint("short", **GOOD)
