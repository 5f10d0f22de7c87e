"""The form of a token: its size, its three parts, and what its header may say."""

from typing import Any, NamedTuple

from service.auth import base64url
from service.auth.errors import Reason, refused
from service.auth.jwk import MAX_KID_CHARS
from service.auth.strict_json import parse_object
from service.auth.text import is_name

MAX_TOKEN_CHARS = 8 * 1024
MAX_HEADER_BYTES = 1024
_MAX_DEPTH = 4
_TYPES = frozenset({"jwt", "at+jwt"})
# They change how a token is read, or bring their own key.
_REFUSED = frozenset({"crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c"})
_TEXTS = ("typ", "cty", "x5t", "x5t#S256")


class Header(NamedTuple):
    algorithm: str
    kid: str | None


def read_header(token: str) -> Header:
    """Return what the header says, if the whole token is well formed.

    Raises:
        Unauthenticated: a part is not canonical base64url, or the header breaks a rule.
    """
    try:
        header = _decode_header(token)
    except ValueError:
        raise refused(Reason.MALFORMED_TOKEN) from None
    if not _is_plain(header):
        raise refused(Reason.MALFORMED_TOKEN)
    return Header(algorithm=header["alg"], kid=header.get("kid"))


def _decode_header(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        raise ValueError("too long, or not ASCII")
    header, _, signature = (base64url.decode(part) for part in _three_parts(token))
    if len(header) > MAX_HEADER_BYTES or not signature:
        raise ValueError("the header is too long, or the signature is missing")
    return parse_object(header, max_depth=_MAX_DEPTH)


def _three_parts(token: str) -> tuple[str, str, str]:
    header, payload, signature = token.split(".")
    return header, payload, signature


def _is_plain(header: dict[str, Any]) -> bool:
    if not _REFUSED.isdisjoint(header) or not isinstance(header.get("alg"), str):
        return False
    if "kid" in header and not is_name(header["kid"], MAX_KID_CHARS):
        return False
    if not all(isinstance(header.get(name, ""), str) for name in _TEXTS):
        return False
    return header.get("typ", "JWT").lower() in _TYPES
