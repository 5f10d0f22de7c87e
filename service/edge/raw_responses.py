"""Responses of the connection itself, as bytes: the application has not seen the request."""

from collections.abc import Mapping
from http import HTTPStatus

CLOSE = {"connection": "close"}


def raw_answer(
    status: HTTPStatus, body: bytes, headers: Mapping[str, str], request_id: bytes
) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {status.phrase}",
        "content-type: application/json",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"content-length: {len(body)}",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        f"x-request-id: {request_id.decode()}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
