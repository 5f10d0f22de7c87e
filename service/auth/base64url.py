"""Base64url as in RFC 7515: no padding, and only one text for the same bytes."""

from base64 import urlsafe_b64decode, urlsafe_b64encode


def decode(text: str) -> bytes:
    """Return the bytes.

    Raises:
        ValueError: the text is not the canonical form of any bytes.
    """
    decoded = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # The decoder skips characters outside its alphabet and drops stray bits; this finds both.
    if encode(decoded) != text:
        raise ValueError("not canonical base64url")
    return decoded


def encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
