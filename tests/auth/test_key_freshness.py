"""When keys are fetched, from a real server that rotates, hangs and dies."""

import asyncio
import time

import pytest

from service.auth.algorithms import Family
from service.auth.errors import KeysUnavailable
from service.auth.jwks import JwksKeys
from service.auth.tokens import Authenticator
from service.domain.access import Caller
from tests.auth.fetched_keys import ANN, HOUR_S, MINUTE_S, fetching, outcome, token
from tests.auth.key_server import KeyServer
from tests.auth.signing import (
    OTHER_RSA_KEY,
    FakeClock,
    rsa_jwk,
)


@pytest.fixture
def authenticator(key_server: KeyServer, clock: FakeClock) -> Authenticator:
    key_server.publish(rsa_jwk(kid="one"))
    return fetching(key_server, clock)


async def test_keys_are_fetched_once_in_ten_minutes(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    await authenticator.caller(token())
    clock.now_s += 10 * MINUTE_S - 1

    await authenticator.caller(token(user_id="bob"))

    assert key_server.requests == 1


async def test_keys_are_fetched_again_after_ten_minutes(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    await authenticator.caller(token())
    clock.now_s += 10 * MINUTE_S

    await authenticator.caller(token(user_id="bob"))

    assert key_server.requests == 2


async def test_many_first_callers_share_one_fetch(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.delay_s = 0.05

    callers = await asyncio.gather(
        *(authenticator.caller(token(user_id=str(number))) for number in range(50))
    )

    assert len(callers) == 50
    assert key_server.requests == 1


async def test_a_rotated_key_is_found_at_its_first_token(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    await authenticator.caller(token())
    key_server.publish(rsa_jwk(kid="one"), rsa_jwk(OTHER_RSA_KEY, kid="two"))

    assert await authenticator.caller(token(OTHER_RSA_KEY, "two")) == ANN


async def test_withdrawing_a_key_invalidates_its_tokens_even_those_seen_before(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    await authenticator.caller(token())
    key_server.publish(rsa_jwk(OTHER_RSA_KEY, kid="two"))
    clock.now_s += 10 * MINUTE_S

    assert await outcome(authenticator, token()) == "unknown_key"


async def test_another_key_under_the_same_kid_invalidates_the_tokens_of_the_first(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    await authenticator.caller(token())
    key_server.publish(rsa_jwk(OTHER_RSA_KEY, kid="one"))
    clock.now_s += 10 * MINUTE_S

    assert await outcome(authenticator, token()) == "wrong_signature"


async def test_a_flood_of_unknown_kids_fetches_once_a_minute(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    await authenticator.caller(token())

    for second in range(MINUTE_S):
        reasons = [await outcome(authenticator, token(kid=f"{second}-{i}")) for i in range(3)]
        assert reasons == ["unknown_key"] * 3
        clock.now_s += 1

    assert key_server.requests == 2


async def test_simultaneous_unknown_kids_share_one_fetch(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    await authenticator.caller(token())
    key_server.delay_s = 0.05

    outcomes = await asyncio.gather(
        *(outcome(authenticator, token(kid=str(number))) for number in range(50))
    )

    assert set(outcomes) == {"unknown_key"}
    assert key_server.requests == 2


async def test_an_unknown_kid_waits_for_a_running_fetch_instead_of_starting_one(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    await authenticator.caller(token())
    clock.now_s += HOUR_S
    key_server.publish(rsa_jwk(kid="one"), rsa_jwk(OTHER_RSA_KEY, kid="two"))
    key_server.hang()
    refreshing = asyncio.create_task(authenticator.caller(token(user_id="bob")))
    await key_server.asked_again()

    waiting = asyncio.create_task(authenticator.caller(token(OTHER_RSA_KEY, "two")))
    await asyncio.sleep(0)
    key_server.recover()

    assert await waiting == ANN
    assert await refreshing == Caller(user_id="bob")
    assert key_server.requests == 2


async def test_an_unknown_kid_may_trigger_another_fetch_after_a_minute(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    assert await outcome(authenticator, token(OTHER_RSA_KEY, "two")) == "unknown_key"
    key_server.publish(rsa_jwk(kid="one"), rsa_jwk(OTHER_RSA_KEY, kid="two"))
    clock.now_s += MINUTE_S

    assert await authenticator.caller(token(OTHER_RSA_KEY, "two")) == ANN


async def test_stale_keys_work_for_almost_a_day_when_the_issuer_is_down(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    await authenticator.caller(token())
    await key_server.stop()
    clock.now_s += 24 * HOUR_S - 1

    assert await authenticator.caller(token(user_id="bob")) == Caller(user_id="bob")


async def test_stale_keys_expire_after_a_day(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    await authenticator.caller(token())
    await key_server.stop()
    clock.now_s += 24 * HOUR_S

    assert await outcome(authenticator, token()) == "keys_unavailable"


async def test_an_issuer_that_was_never_reachable_is_not_the_callers_fault(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    await key_server.stop()

    with pytest.raises(KeysUnavailable) as problem:
        await authenticator.caller(token())

    assert problem.value.code == "keys_unavailable"
    assert "Try again in 5 seconds" in str(problem.value)


async def test_a_failed_fetch_is_retried_after_five_seconds(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    await key_server.stop()
    assert await outcome(authenticator, token()) == "keys_unavailable"
    await key_server.start()
    clock.now_s += 5

    assert await authenticator.caller(token()) == ANN


async def test_a_failing_issuer_is_left_alone_for_five_seconds(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    key_server.status = "500 Internal Server Error"
    await outcome(authenticator, token())
    clock.now_s += 4.9

    assert await outcome(authenticator, token()) == "keys_unavailable"
    assert key_server.requests == 1


async def test_a_hanging_issuer_is_given_up_on_after_three_seconds(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.hang()
    started_s = time.monotonic()

    assert await outcome(authenticator, token()) == "keys_unavailable"
    assert 2.9 < time.monotonic() - started_s < 6


async def test_a_hanging_issuer_holds_up_only_one_caller(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock
) -> None:
    await authenticator.caller(token())
    clock.now_s += HOUR_S
    key_server.hang()
    held_up = asyncio.create_task(authenticator.caller(token(user_id="held up")))
    await key_server.asked_again()

    others = [await authenticator.caller(token(user_id=str(number))) for number in range(20)]

    assert len(others) == 20
    assert not held_up.done()
    key_server.recover()
    assert await held_up == Caller(user_id="held up")


async def test_a_caller_who_hangs_up_does_not_hold_up_the_next(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.hang()
    impatient = asyncio.create_task(authenticator.caller(token()))
    await key_server.asked_again()
    impatient.cancel()
    key_server.recover()

    assert await authenticator.caller(token()) == ANN


async def test_each_fetch_is_reported_with_its_outcome(
    key_server: KeyServer, clock: FakeClock
) -> None:
    reported: list[bool] = []
    keys = JwksKeys(
        key_server.url,
        Family.RSA,
        clock=clock,
        on_fetch=lambda *, fetched: reported.append(fetched),
    )
    key_server.publish(rsa_jwk(kid="one"))
    await keys.candidates("one", "RS256")
    clock.now_s += 10 * MINUTE_S
    key_server.status = "500 Internal Server Error"

    await keys.candidates("one", "RS256")

    assert reported == [True, False]
