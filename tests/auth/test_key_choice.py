"""The key of a published set with which a token is checked."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from service.auth.tokens import Authenticator
from tests.auth.fetched_keys import ANN, fetching, outcome, token
from tests.auth.key_server import KeyServer
from tests.auth.signing import (
    OTHER_RSA_KEY,
    RSA_KEY,
    FakeClock,
    base64url,
    bearer,
    claims,
    ec_jwk,
    es256,
    rsa_jwk,
    signed,
)

WEAK_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)


@pytest.fixture
def authenticator(key_server: KeyServer, clock: FakeClock) -> Authenticator:
    key_server.publish(rsa_jwk(kid="one"))
    return fetching(key_server, clock)


async def test_a_token_is_checked_with_the_key_of_its_kid(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.publish(rsa_jwk(OTHER_RSA_KEY, kid="two"), rsa_jwk(kid="one"))

    assert await authenticator.caller(token()) == ANN


async def test_another_key_of_the_set_does_not_stand_in_for_the_kid(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.publish(rsa_jwk(OTHER_RSA_KEY, kid="two"), rsa_jwk(kid="one"))

    assert await outcome(authenticator, token(RSA_KEY, kid="two")) == "wrong_signature"


async def test_a_token_without_a_kid_is_checked_with_the_only_key(
    authenticator: Authenticator,
) -> None:
    assert await authenticator.caller(token(kid=None)) == ANN


async def test_a_token_without_a_kid_is_refused_when_several_keys_are_possible(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.publish(rsa_jwk(OTHER_RSA_KEY, kid="two"), rsa_jwk(kid="one"))

    assert await outcome(authenticator, token(kid=None)) == "unknown_key"


async def test_a_key_without_a_kid_is_not_used_for_a_token_with_one(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.publish(rsa_jwk())

    assert await outcome(authenticator, token(kid="one")) == "unknown_key"


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": []},
        {"alg": "RS512"},
        {"alg": "RSA-OAEP"},
        {"alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "EC"},
        {"n": ""},
        {"n": "AA=="},
        {"e": ""},
        {"n": rsa_jwk(WEAK_RSA_KEY)["n"]},
    ],
    ids=",".join,
)
async def test_keys_for_other_purposes_and_unfit_keys_are_not_used(
    authenticator: Authenticator, key_server: KeyServer, members: dict[str, Any]
) -> None:
    key_server.publish(rsa_jwk(**{"kid": "one", **members}))

    assert await outcome(authenticator, token()) == "unknown_key"


async def test_an_unfit_key_does_not_spoil_the_others(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.publish(rsa_jwk(WEAK_RSA_KEY, kid="weak"), ec_jwk(kid="ec"), rsa_jwk(kid="one"))

    assert await authenticator.caller(token()) == ANN


async def test_members_that_state_the_right_use_are_accepted(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.publish(rsa_jwk(kid="one", use="sig", alg="RS256", key_ops=["verify"], x5c=["x"]))

    assert await authenticator.caller(token()) == ANN


async def test_es256_is_checked_with_a_key_from_a_set(
    key_server: KeyServer, clock: FakeClock
) -> None:
    key_server.publish(rsa_jwk(kid="one"), ec_jwk(kid="two"))
    header = bearer(signed({"alg": "ES256", "kid": "two"}, claims(), es256()))

    assert await fetching(key_server, clock, "ES256").caller(header) == ANN


@pytest.mark.parametrize("members", [{"crv": "secp256k1"}, {"crv": "P-384"}, {"x": "AQ"}])
async def test_ec_keys_that_are_not_points_on_a_known_curve_are_not_used(
    key_server: KeyServer, clock: FakeClock, members: dict[str, Any]
) -> None:
    key_server.publish(ec_jwk(**{"kid": "two", **members}))
    header = bearer(signed({"alg": "ES256", "kid": "two"}, claims(), es256()))

    assert await outcome(fetching(key_server, clock, "ES256"), header) == "unknown_key"


async def test_the_private_part_of_a_published_key_is_not_read(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.publish(rsa_jwk(kid="one", d=base64url(b"not the private exponent")))

    assert await authenticator.caller(token()) == ANN
