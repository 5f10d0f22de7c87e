"""What counts as a key set, from a real server that serves junk."""

import gzip
import json

import pytest

from service.auth.tokens import Authenticator
from service.domain.access import Caller
from tests.auth.fetched_keys import ANN, HOUR_S, fetching, outcome, token
from tests.auth.key_server import KeyServer
from tests.auth.signing import (
    FakeClock,
    ec_jwk,
    rsa_jwk,
)


@pytest.fixture
def authenticator(key_server: KeyServer, clock: FakeClock) -> Authenticator:
    key_server.publish(rsa_jwk(kid="one"))
    return fetching(key_server, clock)


JUNK = {
    "nothing": b"",
    "text": b"<html>Sign in</html>",
    "not UTF-8": b"\xff\xfe",
    "a list": b"[]",
    "no keys": b"{}",
    "keys that are not a list": b'{"keys":{}}',
    "keys that are not objects": b'{"keys":["key"]}',
    "a key without kty": b'{"keys":[{"kid":"one"}]}',
    "a kid that is not text": b'{"keys":[{"kty":"RSA","kid":1}]}',
    "a kid that is empty": b'{"keys":[{"kty":"RSA","kid":""}]}',
    "a member twice": b'{"keys":[],"keys":[]}',
    "deep nesting": b'{"keys":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a kid twice": json.dumps({"keys": [rsa_jwk(kid="one"), rsa_jwk(kid="one")]}).encode(),
    "a kid twice, once of another type": json.dumps(
        {"keys": [rsa_jwk(kid="one"), ec_jwk(kid="one")]}
    ).encode(),
    "101 keys": json.dumps({"keys": [rsa_jwk(kid=str(n)) for n in range(101)]}).encode(),
    "more than 1 MiB": json.dumps(
        {"keys": [rsa_jwk(kid="one")], "pad": "x" * 1024 * 1024}
    ).encode(),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK.keys())
async def test_junk_is_not_a_key_set(
    authenticator: Authenticator, key_server: KeyServer, junk: bytes
) -> None:
    key_server.body = junk

    assert await outcome(authenticator, token()) == "keys_unavailable"


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK.keys())
async def test_junk_does_not_replace_good_keys(
    authenticator: Authenticator, key_server: KeyServer, clock: FakeClock, junk: bytes
) -> None:
    await authenticator.caller(token())
    key_server.body = junk
    clock.now_s += HOUR_S

    assert await authenticator.caller(token(user_id="bob")) == Caller(user_id="bob")


async def test_100_keys_in_1_mib_are_a_key_set(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    jwks = [rsa_jwk(kid="one"), *({"kty": "OKP", "kid": f"{number}"} for number in range(99))]
    body = json.dumps({"keys": jwks}).encode()
    key_server.body = body + b" " * (1024 * 1024 - len(body))

    assert await authenticator.caller(token()) == ANN


async def test_a_redirect_is_not_followed(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.status = "302 Found"
    key_server.headers = {"Location": key_server.url}

    assert await outcome(authenticator, token()) == "keys_unavailable"
    assert key_server.requests == 1


async def test_a_compressed_response_is_not_unpacked(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.headers = {"Content-Encoding": "gzip"}
    key_server.body = gzip.compress(key_server.body)

    assert await outcome(authenticator, token()) == "keys_unavailable"


async def test_the_issuer_is_asked_not_to_compress(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    await authenticator.caller(token())

    assert "accept-encoding: identity\r\n" in key_server.last_request


async def test_a_truncated_response_is_not_a_key_set(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.headers = {"Content-Length": str(len(key_server.body) + 1)}

    assert await outcome(authenticator, token()) == "keys_unavailable"


async def test_a_response_that_is_not_http_is_not_a_key_set(
    authenticator: Authenticator, key_server: KeyServer
) -> None:
    key_server.status = "\x00"

    assert await outcome(authenticator, token()) == "keys_unavailable"
