"""How the server treats connections, and what it does when it is told to stop."""

from starlette.applications import Starlette

from config.settings import Settings
from service.server import KEEP_ALIVE_S, server_config

BALANCERS_IDLE_S = 60


def test_idle_connections_outlast_those_of_balancers() -> None:
    config = server_config(Starlette(), Settings(_env_file=None))

    assert config.timeout_keep_alive == KEEP_ALIVE_S > BALANCERS_IDLE_S
