"""Authorization headers that no honest client sends, most of them signed with the right secret.

They are made for a service with the secret, HS256, and neither issuer nor audience set.
"""

from collections.abc import Iterator
from typing import Any

from tests.auth.signing import (
    ABSENT,
    EC_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    base64url,
    claims,
    ec_jwk,
    es256,
    hmac_signer,
    hs256,
    public_der,
    public_pem,
    rs256,
    rsa_jwk,
    signed,
)

HS256 = {"alg": "HS256", "typ": "JWT"}
DEEP = b"[" * 2500 + b"]" * 2500


def hostile_headers(secret: str, now_s: int) -> dict[str, str]:
    """Return the Authorization headers by what is wrong with them."""
    made = (
        *_unsigned(now_s),
        *_signed_by_others(secret, now_s),
        *_with_bad_headers(secret, now_s),
        *_with_bad_claims(secret, now_s),
        *_with_bad_payloads(secret, now_s),
        *_misshapen(secret, now_s),
    )
    return {what: f"Bearer {token}" for what, token in made}


def _unsigned(now_s: int) -> Iterator[tuple[str, str]]:
    for alg in ("none", "None", "NONE", "nOnE", ""):
        header, payload, _ = signed({"alg": alg}, claims(now_s), lambda _: b"x").split(".")
        yield f"alg '{alg}' with an empty signature", f"{header}.{payload}."
        yield f"alg '{alg}' without a third part", f"{header}.{payload}"
        yield f"alg '{alg}' with some signature", f"{header}.{payload}.eA"
    yield "HS256 with an empty signature", signed(HS256, claims(now_s), lambda _: b"")
    yield "HS256 with a signature of zeros", signed(HS256, claims(now_s), lambda _: bytes(32))


def _signed_by_others(secret: str, now_s: int) -> Iterator[tuple[str, str]]:
    good = claims(now_s)
    for what, other in {
        "an empty secret": b"",
        "another secret": b"another secret of thirty-two bytes",
        "the secret and a NUL": secret.encode() + b"\x00x",
        "the secret in other case": secret.swapcase().encode(),
        "the RSA key in PEM": public_pem(RSA_KEY.public_key()),
        "the RSA key in PEM without its last newline": public_pem(RSA_KEY.public_key()).strip(),
        "the RSA key in DER": public_der(RSA_KEY.public_key()),
        "the EC key in PEM": public_pem(EC_KEY.public_key()),
        "the EC key in DER": public_der(EC_KEY.public_key()),
    }.items():
        yield f"HS256 with {what} as secret", signed(HS256, good, hs256(other))
    for alg in ("RS256", "ES256", "PS256", "EdDSA", "hs256", "HS1", "dir", "A128KW"):
        yield f"alg {alg} over an HMAC", signed({"alg": alg}, good, hs256(secret))
    yield "RS256 of another key", signed({"alg": "RS256"}, good, rs256(OTHER_RSA_KEY))
    yield "RS256 that says HS256", signed(HS256, good, rs256())
    yield "ES256 that says RS256", signed({"alg": "RS256"}, good, es256())
    yield "ES256 of two zeros", signed({"alg": "ES256"}, good, lambda _: bytes(64))
    for hash_name, alg in (("sha384", "HS384"), ("sha512", "HS512")):
        token = signed({"alg": alg}, good, hmac_signer(secret, hash_name))
        yield f"{alg} with the secret, though it is not configured", token


def _with_bad_headers(secret: str, now_s: int) -> Iterator[tuple[str, str]]:
    bad: dict[str, Any] = {
        "crit that is unknown": {**HS256, "crit": ["exp"], "exp": 1},
        "crit that is empty": {**HS256, "crit": []},
        "b64 false": {**HS256, "b64": False, "crit": ["b64"]},
        "zip": {**HS256, "zip": "DEF"},
        "enc": {**HS256, "enc": "A128GCM"},
        "jku": {**HS256, "jku": "https://attacker.example/keys"},
        "jwk with its own key": {"alg": "RS256", "jwk": rsa_jwk(OTHER_RSA_KEY)},
        "jwk with its own EC key": {"alg": "ES256", "jwk": ec_jwk()},
        "x5u": {**HS256, "x5u": "https://attacker.example/cert"},
        "x5c": {**HS256, "x5c": ["MIIB"]},
        "typ of another kind": {**HS256, "typ": "secevent+jwt"},
        "typ that is a list": {**HS256, "typ": ["JWT"]},
        "typ null": {**HS256, "typ": None},
        "alg missing": {"typ": "JWT"},
        "alg null": {"alg": None},
        "alg a list": {"alg": ["HS256"]},
        "alg an object": {"alg": {"HS256": True}},
        "alg a number": {"alg": 256},
        "kid an object": {**HS256, "kid": {"$ne": 1}},
        "kid a list": {**HS256, "kid": ["a"]},
        "kid null": {**HS256, "kid": None},
        "kid with NUL": {**HS256, "kid": "../../dev/null\x00"},
        "kid of 300 characters": {**HS256, "kid": "k" * 300},
        "alg twice, first none": b'{"alg":"none","alg":"HS256"}',
        "alg twice, last none": b'{"alg":"HS256","alg":"none"}',
        "alg twice, once escaped": b'{"alg":"HS256","\\u0061lg":"none"}',
        "a deep header": b'{"alg":"HS256","x":' + DEEP + b"}",
        "an endless text": b'{"alg":"HS256","x":"' + b'\\"' * 400,
        "1e999 in the header": b'{"alg":"HS256","x":NaN}',
        "a large header": {**HS256, "x": "x" * 2000},
        "a header that is a list": b'["alg","HS256"]',
        "a header that is null": b"null",
        "a header that is text": b'"HS256"',
        "an empty header": b"",
        "a header in UTF-16": '{"alg":"HS256"}'.encode("utf-16"),
        "a header with a byte order mark": b'\xef\xbb\xbf{"alg":"HS256"}',
        "a header with broken UTF-8": b'{"alg":"HS256","x":"\xff"}',
        "a header with something after it": b'{"alg":"HS256"}{}',
    }
    for what, header in bad.items():
        yield what, signed(header, claims(now_s), hs256(secret))


def _with_bad_claims(secret: str, now_s: int) -> Iterator[tuple[str, str]]:
    bad: dict[str, dict[str, Any]] = {
        "exp missing": {"exp": ABSENT},
        "exp null": {"exp": None},
        "exp as text": {"exp": str(now_s + 60)},
        "exp true": {"exp": True},
        "exp a list": {"exp": [now_s + 60]},
        "exp negative": {"exp": -1},
        "exp of 400 digits": {"exp": 10**400},
        "exp in milliseconds, without iat": {"exp": now_s * 1000, "iat": ABSENT},
        "exp long ago": {"exp": now_s - 3600, "iat": now_s - 7200},
        "exp in two years": {"exp": now_s + 2 * 366 * 86400},
        "nbf tomorrow": {"nbf": now_s + 86400, "exp": now_s + 90000},
        "nbf as text": {"nbf": "0"},
        "nbf null": {"nbf": None},
        "iat tomorrow": {"iat": now_s + 86400, "exp": now_s + 90000},
        "iat as text": {"iat": "0"},
        "iat long ago": {"iat": 0},
        "sub missing": {"sub": ABSENT},
        "sub null": {"sub": None},
        "sub empty": {"sub": ""},
        "sub a number": {"sub": 1},
        "sub a list": {"sub": ["ann"]},
        "sub an operator": {"sub": {"$ne": None}},
        "sub with NUL": {"sub": "ann\x00"},
        "sub with a newline": {"sub": "ann\nadmin"},
        "sub half a pair": {"sub": "\ud800"},
        "sub of 257 characters": {"sub": "x" * 257},
        "scope an object": {"scope": {"sessions:admin": 1}},
        "scope a list of lists": {"scope": [["sessions:admin"]]},
        "scopes a number": {"scopes": 1},
        "scopes of lists": {"scopes": [["sessions:admin"]]},
        "scopes without end": {"scopes": [str(number) for number in range(500)]},
        "a scope without end": {"scope": "x" * 4000},
        "scp null": {"scp": None},
        "aud of another service": {"aud": "another service"},
        "iss a number": {"iss": 1},
    }
    for what, changes in bad.items():
        yield what, signed(HS256, claims(now_s, **changes), hs256(secret))


def _with_bad_payloads(secret: str, now_s: int) -> Iterator[tuple[str, str]]:
    exp = str(now_s + 60).encode()
    bad = {
        "exp 1e999": b'{"sub":"ann","exp":1e999}',
        "exp NaN": b'{"sub":"ann","exp":NaN}',
        "exp Infinity": b'{"sub":"ann","exp":Infinity}',
        "exp of 5000 digits": b'{"sub":"ann","exp":' + b"9" * 5000 + b"}",
        "sub twice": b'{"sub":"ann","exp":' + exp + b',"sub":"root"}',
        "deep claims": b'{"sub":"ann","exp":' + exp + b',"x":' + DEEP + b"}",
        "claims null": b"null",
        "claims a list": b'["sub","ann"]',
        "claims text": b'"ann"',
        "claims empty": b"",
        "claims that are not JSON": b"sub=ann",
        "claims in UTF-16": ('{"sub":"ann","exp":' + exp.decode() + "}").encode("utf-16"),
        "claims with broken UTF-8": b'{"sub":"\xff\xfe","exp":' + exp + b"}",
        "claims with a control character": b'{"sub":"a\x01b","exp":' + exp + b"}",
    }
    for what, payload in bad.items():
        yield what, signed(HS256, payload, hs256(secret))


def _misshapen(secret: str, now_s: int) -> Iterator[tuple[str, str]]:
    good = signed(HS256, claims(now_s), hs256(secret))
    header, payload, signature = good.split(".")
    admin = base64url(b'{"sub":"root","exp":%d}' % (now_s + 60))
    yield "a payload exchanged", f"{header}.{admin}.{signature}"
    yield "a signature cut short", good[:-4]
    yield "a signature with padding", good + "="
    yield "a signature with stray bits", good[:-1] + _next_letter(good[-1])
    yield "a header with padding", f"{header}=.{payload}.{signature}"
    yield "a payload with a newline", f"{header}.{payload}\n.{signature}"
    yield "a payload with a space", f"{header}.{payload[:9]} {payload[9:]}.{signature}"
    yield "a character that is skipped by lenient decoders", f"{header}.{payload}.!{signature}"
    yield "a fourth part", f"{good}.e30"
    yield "five parts, as an encrypted token", "e30.e30.e30.e30.e30"
    yield "two parts", f"{header}.{payload}"
    yield "one part", header
    yield "only dots", ".."
    yield "8 KiB of dots", "." * 8192
    yield "16 KiB", good + "A" * 16384
    yield "characters beyond ASCII", good[:-1] + "é"
    yield "a NUL", good + "\x00"
    yield "digits that are not ASCII", f"{header}.{payload}.\u0661"
    yield "a JSON serialization", '{"payload":"e30","signatures":[]}'
    yield "two tokens", f"{good} {good}"
    yield "two tokens with a comma", f"{good},{good}"
    yield "the scheme twice", f"Bearer {good}"
    yield "quotes", f'"{good}"'


def _next_letter(letter: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) + 1]
