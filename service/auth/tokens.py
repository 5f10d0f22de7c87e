"""From the Authorization header to the caller, or to one refusal."""

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from service.auth.claims import ClaimRules, parse_claims
from service.auth.errors import Reason, refused
from service.auth.header import read_header
from service.auth.keys import Key, KeySource
from service.auth.signature import signed_payload
from service.auth.verified import Verified, VerifiedTokens
from service.domain.access import Caller
from service.domain.errors import Unauthenticated

Clock = Callable[[], float]


class Authenticator:
    """Checks tokens against one source of keys. `clock` returns seconds since 1970."""

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
        """Return the caller that sends this Authorization header.

        Raises:
            Unauthenticated: no token or no valid one, whatever the header holds.
            KeysUnavailable: the issuer gives no keys to check it with.
        """
        token = _bearer_token(authorization)
        verified = self._verified.get(token, self._clock())
        if verified is not None:
            # Looking the key up again ends a token together with the key that signed it.
            header = verified.header
            if verified.key in await self._keys.candidates(header.kid, header.algorithm):
                return verified.caller
        return (await self._verify(token)).caller

    async def _verify(self, token: str) -> Verified:
        header = read_header(token)
        if header.algorithm not in self._algorithms:
            raise refused(Reason.WRONG_ALGORITHM)
        keys = await self._keys.candidates(header.kid, header.algorithm)
        key, payload = _signer(token, keys, header.algorithm)
        claims = parse_claims(payload)
        self._rules.check(claims, self._clock())
        verified = Verified(self._rules.caller(claims), claims["exp"], header, key)
        self._verified.put(token, verified)
        return verified


def _signer(token: str, keys: Sequence[Key], algorithm: str) -> tuple[Key, bytes]:
    """Return the first of the keys that has signed the token, and the payload.

    Raises:
        Unauthenticated: none of them has.
    """
    *others, last = keys
    for key in others:
        with suppress(Unauthenticated):
            return key, signed_payload(token, key, algorithm)
    return last, signed_payload(token, last, algorithm)


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
