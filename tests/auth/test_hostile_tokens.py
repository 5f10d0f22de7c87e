import pytest

from service.auth.tokens import Authenticator
from service.domain.errors import Unauthenticated
from tests.auth.hostile_tokens import hostile_headers
from tests.auth.signing import NOW_S, SECRET

HOSTILE = hostile_headers(SECRET, NOW_S)


def test_the_corpus_holds_at_least_60_different_tokens() -> None:
    assert len(set(HOSTILE.values())) >= 60


@pytest.mark.parametrize("header", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_tokens_are_refused_by_a_service_with_a_secret(
    authenticator: Authenticator, header: str
) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator.caller(header)


@pytest.mark.parametrize("header", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_tokens_are_refused_by_a_service_with_an_rsa_key(
    rsa_authenticator: Authenticator, header: str
) -> None:
    with pytest.raises(Unauthenticated):
        await rsa_authenticator.caller(header)


@pytest.mark.parametrize("header", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_tokens_are_refused_by_a_service_with_an_ec_key(
    ec_authenticator: Authenticator, header: str
) -> None:
    with pytest.raises(Unauthenticated):
        await ec_authenticator.caller(header)
