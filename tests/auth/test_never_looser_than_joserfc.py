"""Tokens that joserfc refuses under the same rules are refused here as well."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from service.auth.claims import ClaimRules
from service.auth.header import MAX_HEADER_BYTES
from service.auth.keys import ConfiguredKeys
from service.auth.keys import Key as OurKey
from service.auth.tokens import Authenticator
from service.domain.errors import Unauthenticated
from tests.auth.mutations import Mutator
from tests.auth.signing import (
    EC_KEY,
    NOW_S,
    RSA_KEY,
    SECRET,
    FakeClock,
    Signer,
    bearer,
    es256,
    hs256,
    ps256,
    public_pem,
    rs256,
)

# TOKENS_SCALE=5 compares 100 000.
SCALE = int(os.environ.get("TOKENS_SCALE", "1"))
ISSUER = "https://id.example"
AUDIENCE = "sessions"
LEEWAY_S = 10


@dataclass(frozen=True)
class Case:
    alg: str
    signer: Signer
    ours: OurKey
    theirs: Callable[[], Key]
    tokens: int


RSA_PEM = public_pem(RSA_KEY.public_key())
EC_PEM = public_pem(EC_KEY.public_key())
CASES = [
    Case("HS256", hs256(), OurKey(SECRET.encode()), lambda: OctKey.import_key(SECRET), 12_000),
    Case("ES256", es256(), OurKey(EC_KEY.public_key()), lambda: ECKey.import_key(EC_PEM), 4_000),
    Case("RS256", rs256(), OurKey(RSA_KEY.public_key()), lambda: RSAKey.import_key(RSA_PEM), 2_000),
    Case("PS256", ps256(), OurKey(RSA_KEY.public_key()), lambda: RSAKey.import_key(RSA_PEM), 2_000),
]


class LenientHeaderRegistry(JWSRegistry):
    """Ignores unknown headers, as RFC 7515 requires, and allows headers as long as ours."""

    max_header_length = 2 * MAX_HEADER_BYTES


def joserfc_accepts(token: str, alg: str, key: Key) -> bool:
    registry = LenientHeaderRegistry(algorithms=[alg], strict_check_header=False)
    demands = jwt.JWTClaimsRegistry(
        now=NOW_S,
        leeway=LEEWAY_S,
        exp={"essential": True},
        sub={"essential": True},
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
    )
    try:
        demands.validate(jwt.decode(token, key, algorithms=[alg], registry=registry).claims)
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        # Hostile tokens make it raise these, too; each of them is a refusal.
        return False
    return True


async def we_accept(authenticator: Authenticator, token: str) -> bool:
    try:
        await authenticator.caller(bearer(token))
    except Unauthenticated:
        return False
    return True


def test_twenty_thousand_tokens_are_compared() -> None:
    assert sum(case.tokens for case in CASES) == 20_000


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alg)
async def test_no_token_is_accepted_that_joserfc_refuses(case: Case) -> None:
    rules = ClaimRules(leeway_s=LEEWAY_S, issuer=ISSUER, audiences=frozenset({AUDIENCE}))
    authenticator = Authenticator(ConfiguredKeys(case.ours), [case.alg], rules, clock=FakeClock())
    mutator = Mutator(case.alg, case.signer, seed=20_261_121)
    key = case.theirs()

    # Spaces around a token belong to its header: RFC 9110 allows several.
    tokens = [mutator.token().strip(" ") for _ in range(case.tokens * SCALE)]
    accepted = [token for token in tokens if await we_accept(authenticator, token)]

    print(f"{case.alg}: {len(tokens)} tokens, {len(accepted)} accepted")  # noqa: T201  For -s.
    assert [token for token in accepted if not joserfc_accepts(token, case.alg, key)] == []
    # Both outcomes are common, or the comparison would prove nothing.
    assert 0.1 < len(accepted) / len(tokens) < 0.9
