"""Reads what a request carries into a dialect's shape, or says clearly what is wrong."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictInt, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from service.api.kit.errors import InvalidShape, MalformedBody, UnsupportedMediaType
from service.api.kit.parts import deadlines, parts
from service.domain.errors import InvalidInput, SessionNotFound, TooLarge
from service.domain.json_problem import json_problem

MAX_QUERY_FIELDS = 100
MAX_KEPT_QUERIES = 1000
MAX_KEPT_BYTES = 256
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_INTEGER = re.compile(r"-?[0-9]{1,18}")

Shape = TypeVar("Shape", bound="BaseModel")


def _as_integer(text: object) -> object:
    if isinstance(text, str) and not _INTEGER.fullmatch(text):
        raise ValueError("must be an integer of at most 18 digits")
    return text


def _without_fraction(number: object) -> object:
    return int(number) if isinstance(number, float) and number.is_integer() else number


# Text in a query; a number in JSON, where 4000.0 is the same as 4000.
Integer = Annotated[int, BeforeValidator(_as_integer)]
WholeNumber = Annotated[StrictInt, BeforeValidator(_without_fraction)]


class Query(BaseModel):
    """Query parameters: each at most once; those a route does not know are ignored."""

    model_config = ConfigDict(frozen=True)


class Body(BaseModel):
    """A JSON object: unknown fields are ignored, explicit null means not given."""

    model_config = ConfigDict(frozen=True)


def read_query(request: Request, shape: type[Shape]) -> Shape:
    """Return the query parameters in their shape.

    Raises:
        InvalidShape: a parameter is missing, of the wrong type or out of its bounds.
        InvalidInput: a parameter is repeated, or not UTF-8.
    """
    query_string: bytes = request.scope["query_string"]
    if len(query_string) > MAX_KEPT_BYTES:
        return _parse_query(query_string, shape)
    kept: Shape = _kept_query(query_string, shape)
    return kept


def _parse_query(query_string: bytes, shape: type[Shape]) -> Shape:
    given: dict[str, str] = {}
    for name, value in _query_pairs(query_string):
        if name not in shape.model_fields:
            continue
        if name in given:
            raise InvalidInput(name, "must be given only once.")
        given[name] = value
    return _validated("query", shape, given)


# Clients send the same few queries again and again, and what they mean never changes.
_kept_query = lru_cache(MAX_KEPT_QUERIES)(_parse_query)


async def read_body(request: Request, shape: type[Shape]) -> Shape:
    """Return the JSON body in its shape.

    Raises:
        UnsupportedMediaType: the body does not say it is plain JSON.
        TooLarge: it is larger than the service accepts.
        MalformedBody: it is not a JSON object.
        InvalidShape: the object does not have the shape.
    """
    _require_json(request)
    body = await _limited_body(request, parts(request).max_body_bytes)
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON: {json_problem(body, str(error))}.") from None
    if not isinstance(value, dict):
        raise MalformedBody("The body must be a JSON object.")
    return _validated("body", shape, value)


def read_session_id(request: Request) -> UUID:
    """Return the id in the path; text that is not a UUID is the id of no session."""
    text = request.path_params["session_id"]
    if not _UUID.fullmatch(text):
        raise SessionNotFound
    return UUID(text)


def _query_pairs(query_string: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError:
        raise InvalidInput(
            "query string",
            f"must be percent-encoded UTF-8 with at most {MAX_QUERY_FIELDS} parameters.",
        ) from None


def _require_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType(
            f"Send the body as Content-Type: application/json, not '{media_type}'."
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body without a Content-Encoding.")


async def _limited_body(request: Request, limit_bytes: int) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit_bytes:
        raise TooLarge("The body", int(announced), limit_bytes)
    body = bytearray()
    # The connection decides how long the body may take to arrive.
    deadlines(request).lift()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit_bytes:
                raise TooLarge("The body", len(body), limit_bytes)
    except ClientDisconnect:
        raise MalformedBody("The connection closed before the body was complete.") from None
    deadlines(request).restart()
    return bytes(body)


def _validated(place: str, shape: type[Shape], values: Mapping[str, object]) -> Shape:
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        raise InvalidShape(place, details) from None
