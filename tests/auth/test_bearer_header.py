import pytest

from service.auth.tokens import Authenticator
from service.domain.access import Caller
from service.domain.errors import Unauthenticated
from tests.auth.signing import hs256_token


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_case_insensitive(authenticator: Authenticator, scheme: str) -> None:
    caller = await authenticator.caller(f"{scheme} {hs256_token()}")

    assert caller == Caller(user_id="ann")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "bearer    "])
async def test_a_header_without_a_token_is_refused(
    authenticator: Authenticator, header: str | None
) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await authenticator.caller(header)

    assert refusal.value.reason == "missing_token"


@pytest.mark.parametrize("header", ["Basic YTpi", "Token abc", "Bearer\tabc", "\x00", "é"])
async def test_other_schemes_are_refused(authenticator: Authenticator, header: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await authenticator.caller(header)

    assert refusal.value.reason == "wrong_scheme"


async def test_a_refusal_never_repeats_the_token(authenticator: Authenticator) -> None:
    token = hs256_token(sub="a-name-in-the-token", exp=1)

    with pytest.raises(Unauthenticated) as refusal:
        await authenticator.caller(f"Bearer {token}")

    shown = f"{refusal.value} {refusal.value.reason}"
    assert "a-name-in-the-token" not in shown
    assert not any(part in shown for part in token.split("."))
