"""How the web framework may be used: no decision depends on the Host header."""

import ast
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "service").rglob("*.py"))
# Built from the Host header, and a middleware that is not pure ASGI.
FORBIDDEN = {"url", "base_url", "url_for", "BaseHTTPMiddleware"}
HOSTS = ["evil.example", "evil.example/get_all/x?", "evil.example@x", "[::1", "", "x:99999"]


def names_in(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    of_requests = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "request"
    }
    imported = {
        alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return of_requests | imported


def test_nothing_reads_the_url_built_from_a_host_header() -> None:
    found = {path.name: names for path in SOURCES if (names := names_in(path) & FORBIDDEN)}

    assert found == {}
    assert "scope" in set().union(*map(names_in, SOURCES))


def test_the_locked_starlette_has_no_known_path_confusion() -> None:
    lock = (ROOT / "locks" / "runtime.txt").read_text()
    (version,) = [line.split()[0] for line in lock.splitlines() if line.startswith("starlette==")]

    assert tuple(map(int, version.removeprefix("starlette==").split("."))) >= (1, 3, 1)


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_header_does_not_change_the_route(
    client: httpx2.AsyncClient, host: str
) -> None:
    refused = await client.get("/get_all/ann", headers={"Host": host})

    assert refused.status_code == 401
