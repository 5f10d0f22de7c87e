"""Conversations and profiles from files into the store and back, with or without a service."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, repeat
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import click

from config.settings import Settings
from service.databases import operators_stores
from service.domain.errors import DomainError, StoreUnavailable
from service.domain.models import Selection
from service.domain.transfer.conversation_line import Defaults, read_line
from service.domain.transfer.profile_line import is_profile, profile_text, read_profile
from service.domain.transfer.transfer import Transfer

LINES_AT_ONCE = 16
IMPORTED = (
    "conversations: {new} new, {there} already there, {failed} failed; "
    "messages: {messages_new} new, {messages_there} already there; "
    "profiles: {profiles_new} new, {profiles_there} already there"
)
EXPORTED = "conversations: {conversations}; messages: {messages}; profiles: {profiles}"


async def import_lines(
    settings: Settings, lines: IO[bytes], bar: Any, defaults: Defaults, counts: Counter[str]
) -> None:
    """Store what the lines hold; count it as `IMPORTED` shows it, even if a failure ends it.

    An error in a line is reported on stderr, and the other lines are still stored.

    Raises:
        ClickException: the database is away; it names the line.
    """
    numbered = enumerate(lines, 1)
    async with operators_stores(settings) as (store, users):
        await store.prepare()
        transfer = Transfer(store, users)
        counts.update(new=0)
        while some := list(islice(numbered, LINES_AT_ONCE)):
            storing = (_import_line(transfer, *line, defaults) for line in some)
            for counted in await asyncio.gather(*storing):
                counts.update(counted)
            bar.update(sum(len(line) for _, line in some))


async def export_lines(settings: Settings, out: IO[bytes], bar: Any, of: Selection) -> Counter[str]:
    """Write what is selected; return the counts that `EXPORTED` shows."""
    counts = Counter[str]()
    async with operators_stores(settings) as (store, users):
        transfer = Transfer(store, users)
        async for profile in transfer.profiles(of):
            out.write(profile_text(profile).encode())
            counts["profiles"] += 1
        async for session in transfer.sessions(of):
            messages = await transfer.write_line(session.id, lambda t: out.write(t.encode()))
            if messages is not None:
                counts.update(conversations=1, messages=messages)
            bar.update(1)
    return counts


async def _import_line(
    transfer: Transfer, number: int, line: bytes, defaults: Defaults
) -> dict[str, int]:
    if not line.strip():
        return {}
    try:
        return await _stored(transfer, line, defaults)
    except StoreUnavailable as error:
        raise click.ClickException(
            f"line {number}: {error} The same import goes on there."
        ) from None
    except DomainError as error:
        click.echo(f"line {number}: {error}", err=True)
        return {"failed": 1}


async def _stored(transfer: Transfer, line: bytes, defaults: Defaults) -> dict[str, int]:
    if is_profile(line):
        profile_is_new = await transfer.restore_profile(read_profile(line))
        return {"profiles_new" if profile_is_new else "profiles_there": 1}
    restored = await transfer.restore(read_line(line, defaults))
    return {
        "new" if restored.session_is_new else "there": 1,
        "messages_new": restored.messages_new,
        "messages_there": restored.messages_there,
    }


@contextmanager
def progress(label: str, length: int | None) -> Iterator[Any]:
    """Show a progress bar on stderr, if that is a terminal."""
    hidden = not sys.stderr.isatty()
    steps = None if length else repeat(None)
    with click.progressbar(
        steps, length=length, label=label, file=sys.stderr, hidden=hidden, show_pos=length is None
    ) as bar:
        yield bar


@contextmanager
def written(file: str) -> Iterator[IO[bytes]]:
    """Open a file that gets its name when it is complete, readable only by its owner."""
    path = Path(file).resolve()
    if file == "-" or (path.exists() and not path.is_file()):
        # A device or pipe is written to directly: a file must not replace it.
        with click.open_file(file, "wb") as out:
            yield out
        return
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as draft:
        try:
            yield draft
        except BaseException:
            Path(draft.name).unlink()
            raise
    Path(draft.name).replace(path)
