"""From the Authorization header to the caller, or to one refusal."""

import time
from collections.abc import Callable, Collection

from service.auth.claims import ClaimRules, parse_claims
from service.auth.errors import Reason, refused
from service.auth.header import read_header
from service.auth.keys import KeySource
from service.auth.signature import signed_payload
from service.auth.verified import Verified, VerifiedTokens
from service.domain.access import Caller

Clock = Callable[[], float]


class Authenticator:
    """Checks tokens against one source of keys. `clock` tells seconds since 1970."""

    def __init__(
        self,
        keys: KeySource,
        algorithms: Collection[str],
        rules: ClaimRules,
        *,
        clock: Clock = time.time,
    ) -> None:
        self._keys = keys
        self._algorithms = frozenset(algorithms)
        self._rules = rules
        self._clock = clock
        self._verified = VerifiedTokens()

    async def caller(self, authorization: str | None) -> Caller:
        """Return who sends this Authorization header.

        Raises:
            Unauthenticated: no token or no valid one, whatever the header holds.
            KeysUnavailable: the issuer gives no keys to check it with.
        """
        token = _bearer_token(authorization)
        verified = self._verified.get(token, self._clock())
        if verified is not None:
            # Asking again for the key ends a token together with the key that signed it.
            key = await self._keys.find(verified.header.kid, verified.header.algorithm)
            if key == verified.key:
                return verified.caller
        return (await self._verify(token)).caller

    async def _verify(self, token: str) -> Verified:
        header = read_header(token)
        if header.algorithm not in self._algorithms:
            raise refused(Reason.WRONG_ALGORITHM)
        key = await self._keys.find(header.kid, header.algorithm)
        claims = parse_claims(signed_payload(token, key, header.algorithm))
        self._rules.check(claims, self._clock())
        verified = Verified(self._rules.caller(claims), claims["exp"], header, key)
        self._verified.put(token, verified)
        return verified


def _bearer_token(authorization: str | None) -> str:
    if not authorization:
        raise refused(Reason.MISSING_TOKEN)
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise refused(Reason.WRONG_SCHEME)
    token = rest.strip(" ")
    if not token:
        raise refused(Reason.MISSING_TOKEN)
    return token
