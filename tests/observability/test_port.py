"""Metrics have their own port if one is set."""

import socket

import httpx2
import pytest

from service.observability.port import metrics_on


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_metrics_are_on_their_port_until_the_end() -> None:
    port = free_port()

    with metrics_on("127.0.0.1", port, None):
        answer = httpx2.get(f"http://127.0.0.1:{port}/metrics")

    assert "sessions_ready" in answer.text
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.1:{port}/metrics")


def test_a_port_already_in_use_is_refused_immediately() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(OSError, match="Address already in use"),
    ):
        metrics_on("127.0.0.1", other.getsockname()[1], None)
