from typing import Any

import pytest

from service.auth.tokens import Authenticator
from service.domain.access import Caller
from service.domain.errors import Unauthenticated
from tests.auth.signing import (
    base64url,
    bearer,
    claims,
    hs256,
    hs256_token,
    hs256_token_with_header,
    signed,
)

GOOD = {"alg": "HS256"}


async def reason(authenticator: Authenticator, token: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await authenticator.caller(bearer(token))
    return refusal.value.reason


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT"])
async def test_the_types_of_access_tokens_are_accepted(
    authenticator: Authenticator, typ: str
) -> None:
    token = hs256_token_with_header(typ=typ)

    assert await authenticator.caller(bearer(token)) == Caller(user_id="ann")


async def test_a_header_without_a_type_is_accepted(authenticator: Authenticator) -> None:
    token = hs256_token_with_header()

    assert await authenticator.caller(bearer(token)) == Caller(user_id="ann")


@pytest.mark.parametrize(
    "typ", ["", "JOSE", "secevent+jwt", "application/at+jwt", None, 1, ["JWT"]]
)
async def test_other_types_are_refused(authenticator: Authenticator, typ: Any) -> None:
    assert await reason(authenticator, hs256_token_with_header(typ=typ)) == "malformed_token"


@pytest.mark.parametrize("name", ["crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c"])
@pytest.mark.parametrize("value", ["text", [], {}, None, False])
async def test_headers_that_change_the_meaning_or_carry_a_key_are_refused(
    authenticator: Authenticator, name: str, value: Any
) -> None:
    token = hs256_token_with_header(**{name: value})

    assert await reason(authenticator, token) == "malformed_token"


async def test_an_unknown_header_is_ignored(authenticator: Authenticator) -> None:
    token = hs256_token_with_header(tenant=["red"])

    assert await authenticator.caller(bearer(token)) == Caller(user_id="ann")


@pytest.mark.parametrize("alg", ["none", "None", "HS384", "hs256", "RS256", "EdDSA", ""])
async def test_algorithms_that_are_not_configured_are_refused(
    authenticator: Authenticator, alg: str
) -> None:
    assert await reason(authenticator, hs256_token_with_header(alg=alg)) == "wrong_algorithm"


@pytest.mark.parametrize("header", [{}, {"alg": None}, {"alg": ["HS256"]}, {"alg": {"HS256": 1}}])
async def test_an_algorithm_that_is_not_text_is_malformed(
    authenticator: Authenticator, header: dict[str, Any]
) -> None:
    token = signed(header, claims(), hs256())

    assert await reason(authenticator, token) == "malformed_token"


@pytest.mark.parametrize("kid", ["", "x" * 257, "a\x00b", "\ud800", 7, None, ["a"]])
async def test_a_kid_that_is_not_a_name_is_malformed(
    authenticator: Authenticator, kid: Any
) -> None:
    assert await reason(authenticator, hs256_token_with_header(kid=kid)) == "malformed_token"


async def test_a_configured_key_has_no_name_and_accepts_any_kid(
    authenticator: Authenticator,
) -> None:
    token = hs256_token_with_header(kid="the name the issuer gave it")

    assert await authenticator.caller(bearer(token)) == Caller(user_id="ann")


async def test_a_header_that_names_a_member_twice_is_refused(authenticator: Authenticator) -> None:
    token = signed(b'{"alg":"HS256","alg":"HS256"}', claims(), hs256())

    assert await reason(authenticator, token) == "malformed_token"


async def test_a_header_of_four_levels_is_accepted(authenticator: Authenticator) -> None:
    token = signed(_header_of(levels=4), claims(), hs256())

    assert await authenticator.caller(bearer(token)) == Caller(user_id="ann")


@pytest.mark.parametrize("levels", [5, 100, 480])
async def test_a_deeper_header_is_refused(authenticator: Authenticator, levels: int) -> None:
    token = signed(_header_of(levels=levels), claims(), hs256())

    assert await reason(authenticator, token) == "malformed_token"


async def test_a_header_of_1024_bytes_is_accepted(authenticator: Authenticator) -> None:
    token = signed(_header_of(size_bytes=1024), claims(), hs256())

    assert await authenticator.caller(bearer(token)) == Caller(user_id="ann")


async def test_a_longer_header_is_refused(authenticator: Authenticator) -> None:
    token = signed(_header_of(size_bytes=1025), claims(), hs256())

    assert await reason(authenticator, token) == "malformed_token"


async def test_a_token_of_8_kib_is_accepted(authenticator: Authenticator) -> None:
    token = _token_of(8192)

    assert await authenticator.caller(bearer(token)) == Caller(user_id="ann")


async def test_a_longer_token_is_refused(authenticator: Authenticator) -> None:
    assert await reason(authenticator, _token_of(8193)) == "malformed_token"


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize(
    "change", ["{}=", "{}==", "{}\n", "\t{}", "{}+", "{}/", "{}.", "{}é", "{}A"]
)
async def test_parts_that_are_not_canonical_base64url_are_refused(
    authenticator: Authenticator, part: int, change: str
) -> None:
    parts = hs256_token().split(".")
    parts[part] = change.format(parts[part])

    with pytest.raises(Unauthenticated) as refusal:
        await authenticator.caller(bearer(".".join(parts)))

    assert refusal.value.reason in {"malformed_token", "wrong_signature"}


async def test_stray_bits_at_the_end_of_a_signature_are_refused(
    authenticator: Authenticator,
) -> None:
    token = hs256_token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    stray = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]

    assert await reason(authenticator, stray) == "malformed_token"


@pytest.mark.parametrize("count", [0, 1, 3, 4])
async def test_tokens_have_exactly_three_parts(authenticator: Authenticator, count: int) -> None:
    token = ".".join([base64url(b'{"alg":"HS256"}'), *["YQ"] * count])

    assert await reason(authenticator, token) == "malformed_token"


async def test_a_token_without_a_signature_is_malformed(authenticator: Authenticator) -> None:
    assert await reason(authenticator, signed(GOOD, claims(), lambda _: b"")) == "malformed_token"


def _header_of(*, levels: int = 1, size_bytes: int = 0) -> bytes:
    nested = b"[" * (levels - 1) + b"]" * (levels - 1) or b"0"
    header = b'{"alg":"HS256","x":' + nested + b"}"
    return header + b" " * (size_bytes - len(header))


def _token_of(size_chars: int) -> str:
    return next(
        token
        for pad_chars in range(5000, 6500)
        for header_pad in ("", "x", "xx")
        if len(token := _padded(pad_chars, header_pad)) == size_chars
    )


def _padded(pad_chars: int, header_pad: str) -> str:
    return signed({**GOOD, "x": header_pad}, claims(pad="x" * pad_chars), hs256())
