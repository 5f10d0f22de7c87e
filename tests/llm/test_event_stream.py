"""Streams of a model are read as the event-stream standard says; the rest is skipped."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import ModelFailed
from service.llm.event_stream import chunks_in

STREAM = (
    "\ufeff: a comment\n\n"
    "retry: 3000\n\n"
    "event: ping\ndata: {}\n\n"
    'id: 7\nevent: chunk\ndata: {"a": "é\U0001f600"}\n\n'
    "data:\n\n"
    "data: ping\n\n"
    'data: {"b":\ndata:  1}\n\n'
    ":\r\n\r\n"
    "data: [DONE] \n\n"
    'data: {"after": 1}\n\n'
)
CHUNKS = [{}, {"a": "é\U0001f600"}, {"b": 1}]


async def _read(pieces: list[bytes]) -> list[dict[str, Any]]:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return [chunk async for chunk in chunks_in(body())]


def read(*pieces: bytes) -> list[dict[str, Any]]:
    return asyncio.run(_read(list(pieces)))


@pytest.mark.parametrize("end_of_line", ["\n", "\r\n", "\r"], ids=ascii)
def test_only_objects_count_however_lines_end(end_of_line: str) -> None:
    stream = STREAM.replace("\r\n", "\n").replace("\n", end_of_line)

    assert read(stream.encode()) == CHUNKS


@given(st.lists(st.integers(0, len(STREAM.encode())), max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts: list[int], end_of_line: str) -> None:
    data = STREAM.replace("\r\n", "\n").replace("\n", end_of_line).encode()
    places = [0, *sorted(cuts), len(data)]

    assert read(*(data[a:b] for a, b in itertools.pairwise(places))) == CHUNKS


@pytest.mark.parametrize(
    "line",
    [
        "data: null",
        "data: []",
        'data: ""',
        "data: keep-alive",
        "data",
        "data: ",
        "event: ping",
        "id: 1",
        "id",
        "retry: soon",
        "unknown: field",
        ": OPENROUTER PROCESSING",
        ":",
    ],
)
def test_keep_alives_in_any_form_are_skipped(line: str) -> None:
    assert read(f'{line}\n\ndata: {{"a": 1}}\n\n'.encode()) == [{"a": 1}]


def test_an_event_without_an_end_is_ignored() -> None:
    assert read(b'data: {"a": 1}\n\ndata: {"b": 2}\n') == [{"a": 1}]


@pytest.mark.parametrize("data", ['{"a": ', "{" * 100_000, "{a: 1}"], ids=lambda data: data[:8])
def test_an_object_that_cannot_be_read_is_a_failure(data: str) -> None:
    with pytest.raises(ModelFailed, match="cannot be read"):
        read(f"data: {data}\n\n".encode())


def test_half_of_a_character_passes_because_the_other_half_may_follow() -> None:
    assert read(b'data: {"a": "\\ud83d"}\n\n') == [{"a": "\ud83d"}]
