"""How long the server keeps idle connections."""

from config.settings import Settings
from service.app import SessionService
from service.run.server import KEEP_ALIVE_S, server_config
from tests.api.asking import SECRET

BALANCERS_IDLE_S = 60


def test_idle_connections_outlast_those_of_balancers() -> None:
    settings = Settings(_env_file=None, jwt_secret=SECRET)

    config = server_config(SessionService(settings))

    assert config.timeout_keep_alive == KEEP_ALIVE_S > BALANCERS_IDLE_S
