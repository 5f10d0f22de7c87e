"""Why a MongoDB cannot be used: one sentence for each reason, within three seconds."""

import asyncio
import gc
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from service.storage.diagnosis import FirstLook, first_look
from tests.mongods import PASSWORD, running_mongod, with_users

# The driver leaves the socket of a TLS handshake that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

LONGEST_S = 5
WRONG_LOGIN = "the user or password in SESSIONS_MONGO_URL is wrong, or its authSource"
WRONG_SET = "its replicaSet is wrong, or the server is in no set"


class Servers(NamedTuple):
    """Addresses of servers, and the certificate of the one with TLS."""

    with_users: str
    with_tls: str
    not_initiated: str
    certificate: Path


@pytest.fixture(scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    def new() -> Path:
        return tmp_path_factory.mktemp("mongod")

    pem = new() / "pem"
    make_certificate(pem)
    tls = ("--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(pem), "--tlsCAFile", str(pem))
    async with AsyncExitStack() as stack:

        async def run(*options: str) -> str:
            return await stack.enter_async_context(running_mongod(new(), *options))

        secured = await run("--auth")
        await with_users(secured)
        encrypted = await run(*tls, "--tlsAllowConnectionsWithoutCertificates")
        yield Servers(secured, encrypted, await run("--replSet", "rs0"), pem)


def make_certificate(pem: Path) -> None:
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    out = ["-keyout", str(pem), "-out", str(pem), "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *out]
    subprocess.run(command, check=True, capture_output=True)


async def looked(url: str) -> FirstLook:
    started_s = time.monotonic()
    found = await first_look(url, "chat")
    assert time.monotonic() - started_s < LONGEST_S
    gc.collect()
    assert PASSWORD not in str(found.trouble)
    return found


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mongodb://root:wrong@{with_users}/", WRONG_LOGIN),
        ("mongodb://nobody:{password}@{with_users}/", WRONG_LOGIN),
        ("mongodb://root:{password}@{with_users}/chat", WRONG_LOGIN),
        ("mongodb://root:{password}@{with_users}/?authSource=chat", WRONG_LOGIN),
        ("mongodb://root:{password}@{with_users}/?authMechanism=PLAIN", "the authMechanism of"),
        ("mongodb://{with_users}/", "SESSIONS_MONGO_URL has no user"),
        ("mongodb://root:{password}@{with_users}/?replicaSet=rs1", WRONG_SET),
        ("mongodb://{not_initiated}/?replicaSet=rs1&directConnection=true", WRONG_SET),
        ("mongodb://{with_tls}/?tls=true", "certificate is not trusted: see tlsCAFile"),
    ],
)
async def test_a_lasting_problem_is_reported_as_lasting(
    servers: Servers, url: str, sentence: str
) -> None:
    found = await looked(url.format(password=PASSWORD, **servers._asdict()))

    assert found.trouble is not None
    assert sentence in found.trouble.text
    assert found.trouble.lasts


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mongodb://127.0.0.1:9/", "Nothing listens at a host and port in SESSIONS_MONGO_URL"),
        ("mongodb://no.such.host.invalid/", "does not resolve"),
        ("mongodb://{with_users}/?tls=true", "see tls in SESSIONS_MONGO_URL"),
        ("mongodb://{with_tls}/", "in SESSIONS_MONGO_URL, and if it needs tls=true"),
        ("mongodb://{not_initiated}/?replicaSet=rs0", "has no primary now, or is not initiated"),
    ],
)
async def test_a_problem_that_may_pass_is_not_reported_as_lasting(
    servers: Servers, url: str, sentence: str
) -> None:
    found = await looked(url.format(**servers._asdict()))

    assert found.trouble is not None
    assert sentence in found.trouble.text
    assert not found.trouble.lasts


async def test_a_host_that_accepts_connections_but_stays_silent_does_not_respond() -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]

        found = await looked(f"mongodb://127.0.0.1:{port}/")

    assert str(found.trouble) == (
        f"A host in SESSIONS_MONGO_URL does not respond (127.0.0.1:{port})"
    )


async def test_a_program_other_than_mongodb_is_reported_as_such() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(16)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        found = await looked(f"mongodb://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    assert "is no MongoDB" in str(found.trouble)


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://root:{password}@{with_users}/",
        "mongodb://root:{password}@{with_users}/chat?authSource=admin",
        "mongodb://local:{password}@{with_users}/chat",
        "mongodb://reader:{password}@{with_users}/",
        "mongodb://{with_tls}/?tls=true&tlsCAFile={certificate}",
    ],
)
async def test_a_standalone_that_accepts_the_login_is_no_problem(
    servers: Servers, url: str
) -> None:
    found = await looked(url.format(password=PASSWORD, **servers._asdict()))

    assert found == FirstLook(None, is_standalone=True)


@pytest.mark.parametrize("options", ["", "&directConnection=true"])
async def test_a_replica_set_member_is_not_a_standalone(mongo_url: str, options: str) -> None:
    assert await looked(mongo_url + options) == FirstLook(None, is_standalone=False)
