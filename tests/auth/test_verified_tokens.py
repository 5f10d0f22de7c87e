import pytest

from service.auth.header import Header
from service.auth.keys import Key
from service.auth.tokens import Authenticator
from service.auth.verified import Verified, VerifiedTokens
from service.domain.access import Caller
from service.domain.errors import Unauthenticated
from tests.auth.signing import NOW_S, FakeClock, bearer, hs256_token


def verified(user_id: str, expires_s: float = NOW_S + 60) -> Verified:
    return Verified(Caller(user_id=user_id), expires_s, Header("HS256", None), Key(b"secret"))


def test_a_verified_token_is_found_again() -> None:
    tokens = VerifiedTokens()

    tokens.put("a", verified("ann"))

    assert tokens.get("a", NOW_S) == verified("ann")


def test_an_unknown_token_is_not_found() -> None:
    tokens = VerifiedTokens()

    tokens.put("a", verified("ann"))

    assert tokens.get("A", NOW_S) is None


def test_a_token_is_forgotten_when_it_expires() -> None:
    tokens = VerifiedTokens()
    tokens.put("a", verified("ann", expires_s=NOW_S + 60))

    assert tokens.get("a", NOW_S + 60) is None
    assert len(tokens) == 0


def test_the_least_recently_used_token_is_evicted_first() -> None:
    tokens = VerifiedTokens(max_tokens=2)
    tokens.put("a", verified("ann"))
    tokens.put("b", verified("bob"))
    tokens.get("a", NOW_S)

    tokens.put("c", verified("cem"))

    assert [tokens.get(token, NOW_S) is not None for token in "abc"] == [True, False, True]


def test_ten_thousand_tokens_are_kept_and_no_more() -> None:
    tokens = VerifiedTokens()

    for number in range(10_001):
        tokens.put(str(number), verified("ann"))

    assert len(tokens) == 10_000


async def test_a_token_that_was_accepted_before_still_expires(
    authenticator: Authenticator, clock: FakeClock
) -> None:
    token = bearer(hs256_token(exp=NOW_S + 60))
    await authenticator.caller(token)
    clock.now_s += 70

    with pytest.raises(Unauthenticated) as refusal:
        await authenticator.caller(token)

    assert refusal.value.reason == "expired_token"


async def test_a_changed_signature_is_refused_after_the_right_one_was_accepted(
    authenticator: Authenticator,
) -> None:
    token = hs256_token()
    await authenticator.caller(bearer(token))
    changed = token[:-5] + ("AAAAA" if token[-5:-4] != "A" else "BAAAA")

    with pytest.raises(Unauthenticated):
        await authenticator.caller(bearer(changed))


async def test_a_token_names_the_same_caller_each_time(authenticator: Authenticator) -> None:
    token = bearer(hs256_token(scopes=["sessions:admin"]))

    callers = [await authenticator.caller(token) for _ in range(3)]

    assert callers == [Caller(user_id="ann", scopes=frozenset({"sessions:admin"}))] * 3
