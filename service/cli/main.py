"""The command line: one function per subcommand."""

import asyncio
import ipaddress
import logging
import re
import shlex
import socket
from collections import Counter
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop
from pydantic import ValidationError

from config.settings import Settings
from service.auth.configured import authenticator_for
from service.auth.development import mint_for, with_key
from service.auth.errors import ConfigurationError
from service.cli.transfer import (
    EXPORTED,
    IMPORTED,
    export_lines,
    import_lines,
    progress,
    written,
)
from service.databases import (
    NoDatabase,
    database_name,
    operators_stores,
    overridden_by_settings,
    running_database,
    warnings_at_start,
)
from service.domain.errors import DomainError
from service.domain.models import Selection
from service.domain.transfer.conversation_line import Defaults
from service.observability.configured import TracingNotInstalled
from service.observability.logs import write_logs
from service.run.supervisor import WorkerFailed
from service.run.workers import MetricsPortTaken, serve_with

DEMO_USER_ID = "demo"
DEMO_LIFETIME_S = 7 * 24 * 60 * 60
WORKERS = click.IntRange(1, 64)
UNITS_S = {"": 1, "s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}
FAILURES = (
    *(DomainError, ConfigurationError, TracingNotInstalled),
    *(NoDatabase, MetricsPortTaken, WorkerFailed),
)

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


class _Commands(click.Group):
    """Shows what went wrong as one line on stderr, with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Click ends quietly when the reader of our output has closed it.
            raise
        except FAILURES as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            raise click.ClickException(f"{error.strerror or error}{where}") from None


def _seconds(_ctx: click.Context, _param: click.Parameter, lifetime: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", lifetime)
    if found is None:
        raise click.BadParameter(f"'{lifetime}' is neither seconds nor like 30m, 1h or 7d.")
    return int(found[1]) * UNITS_S[found[2]]


@click.group(cls=_Commands)
@click.version_option(package_name="session-service", prog_name="session-service")
def main() -> None:
    """Keep the conversations of AI chat products.

    Settings come from SESSIONS_* in the environment, or from a file .env.
    """


@main.command()
@click.option("--workers", type=WORKERS, default=1, show_default=True, help="Processes.")
def serve(workers: int) -> None:
    """Run the service, with a MongoDB of its own unless one is set."""
    _run(_serve(_settings(), workers))


@main.command()
@click.option("--user", required=True, help="User the token is for (`sub`).")
@click.option("--scope", "scopes", multiple=True, help="Extra scope; may be repeated.")
@click.option("--lifetime", "lifetime_s", callback=_seconds, default="1d", show_default=True)
def token(user: str, scopes: tuple[str, ...], lifetime_s: int) -> None:
    """Print a token for a user. Lifetimes are seconds, or like 30m, 1h, 7d."""
    click.echo(mint_for(with_key(_settings()), user, scopes, lifetime_s=lifetime_s))


@main.command()
@click.option("--check", is_flag=True, help="Create nothing, list what is missing.")
def indexes(*, check: bool) -> None:
    """Create the indexes of the database, or check that they exist."""
    missing = _run_quietly(_missing_indexes(_operators_settings(), create=not check))
    if missing:
        raise click.ClickException("\n  ".join(["These indexes are missing:", *missing]))
    click.echo("All indexes exist.")


@main.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--user", help="Owner of the conversations that name none.")
@click.option("--agent", help="Agent of the conversations that name none.")
def import_(file: str, user: str | None, agent: str | None) -> None:
    """Store the conversations and profiles of a file, each only once.

    FILE holds one a line, from `export` or another tool; - is stdin. An import that was
    interrupted goes on where it stopped when it is run again.
    """
    settings, counts = _operators_settings(), Counter[str]()
    size_bytes = Path(file).stat().st_size if Path(file).is_file() else None
    try:
        with click.open_file(file, "rb") as lines, progress("Importing", size_bytes) as bar:
            _run_quietly(import_lines(settings, lines, bar, Defaults(user, agent), counts))
    finally:
        if counts:
            click.echo(IMPORTED.format_map(counts), err=True)
    if counts["failed"]:
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@click.option("--user", help="Only conversations of this user.")
@click.option("--agent", help="Only conversations with this agent.")
def export(file: str, user: str | None, agent: str | None) -> None:
    """Write profiles and conversations to a file, as `import` takes them.

    One a line, to stdout when FILE is left out or -. With --agent no profiles: they have none.
    """
    if "" in {user, agent}:
        raise click.UsageError("--user and --agent must not be empty.")
    with written(file) as out, progress("Exporting", None) as bar:
        selected = Selection(user_id=user, agent_id=agent)
        counts = _run_quietly(export_lines(_operators_settings(), out, bar, selected))
    click.echo(EXPORTED.format_map(counts), err=True)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        variables = [f"SESSIONS_{str(part).upper()}: " for part in first["loc"][:1]]
        problem = first["msg"].removeprefix("Value error, ")
        raise click.ClickException("".join([*variables, problem])) from None
    except ValueError as error:
        raise click.ClickException(f"The settings cannot be read: {error}") from None


def _operators_settings() -> Settings:
    settings = _settings()
    for sentence in overridden_by_settings(settings):
        click.echo(f"Warning: {sentence}.", err=True)
    return settings


def _run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def _run_quietly(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run it for a caller who waits for the result: failures are shown once, as the result."""
    logging.getLogger("service").setLevel(logging.ERROR)
    return _run(coroutine)


async def _serve(given: Settings, workers: int) -> None:
    settings = with_key(given)
    # A problem with the keys should be reported before a database is started.
    authenticator_for(settings)
    with _listener(settings.host, settings.port) as listener:
        url = _url(listener)

        def welcome() -> None:
            click.echo(_welcome(settings, url))

        async with running_database(settings) as complete:
            await _warn(settings)
            # An embedded MongoDB means development: production never falls back to the demo.
            demo = settings.mongo_url is None
            await serve_with(workers, listener, complete, when_listening=welcome, demo=demo)


async def _warn(settings: Settings) -> None:
    """Log what is worth knowing about the MongoDB of the settings, once for all workers."""
    warnings = await warnings_at_start(settings)
    write_logs(settings.log_level)
    for sentence in warnings:
        logger.warning("%s", sentence)


def _listener(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with ExitStack() as undo:
            listener = undo.enter_context(socket.socket(family, kind))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            undo.pop_all()
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {host} port {port}: {error.strerror}. "
            "Set SESSIONS_HOST and SESSIONS_PORT; port 0 takes a free one."
        ) from None
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        return f"http://127.0.0.1:{port}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _welcome(settings: Settings, url: str) -> str:
    lines = [f"The session service listens on {url}"]
    if settings.mongo_url is not None:
        return "\n".join(
            [*lines, f"Data: database {database_name(settings)} of SESSIONS_MONGO_URL"]
        )
    lines.append(f"Data: {settings.data_dir.absolute()} (embedded MongoDB, for development)")
    with suppress(ConfigurationError):
        minted = mint_for(settings, DEMO_USER_ID, (), lifetime_s=DEMO_LIFETIME_S)
        header = shlex.quote(f"Authorization: Bearer {minted}")
        lines += [
            f"Token of the user {DEMO_USER_ID}, for 7 days: {minted}",
            "A first request:",
            f"curl -sS -X POST '{url}/create?agent_id=demo' -H {header}",
        ]
    return "\n".join(lines)


async def _missing_indexes(settings: Settings, *, create: bool) -> list[str]:
    async with operators_stores(settings) as (store, _):
        if create:
            await store.prepare()
        missing = await store.missing_indexes()
        return [f"{index.collection}.{index.name}: {index.why}" for index in missing]
