"""Tokens for a service that fetches its keys, and their outcome."""

from cryptography.hazmat.primitives.asymmetric import rsa

from service.auth.algorithms import Family
from service.auth.claims import ClaimRules
from service.auth.errors import KeysUnavailable
from service.auth.jwks import JwksKeys
from service.auth.tokens import Authenticator
from service.domain.access import Caller
from service.domain.errors import Unauthenticated
from tests.auth.key_server import KeyServer
from tests.auth.signing import RSA_KEY, FakeClock, bearer, claims, rs256, signed

ANN = Caller(user_id="ann")
MINUTE_S = 60
HOUR_S = 60 * MINUTE_S


def fetching(server: KeyServer, clock: FakeClock, algorithm: str = "RS256") -> Authenticator:
    family = Family.EC if algorithm == "ES256" else Family.RSA
    keys = JwksKeys(server.url, family, clock=clock)
    # The tokens stay valid while the keys' clock runs on.
    return Authenticator(keys, [algorithm], ClaimRules(), clock=FakeClock())


def token(key: rsa.RSAPrivateKey = RSA_KEY, kid: str | None = "one", user_id: str = "ann") -> str:
    header = {"alg": "RS256"} if kid is None else {"alg": "RS256", "kid": kid}
    return bearer(signed(header, claims(sub=user_id), rs256(key)))


async def outcome(authenticator: Authenticator, header: str) -> str:
    try:
        return (await authenticator.caller(header)).user_id
    except Unauthenticated as refusal:
        return refusal.reason
    except KeysUnavailable as problem:
        return problem.code
