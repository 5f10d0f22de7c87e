from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from config.settings import Settings
from service.auth.claims import ClaimRules
from service.auth.configured import authenticator_for
from service.auth.keys import ConfiguredKeys, Key
from service.auth.tokens import Authenticator
from tests.auth.key_server import KeyServer
from tests.auth.signing import EC_KEY, RSA_KEY, SECRET, FakeClock, public_pem


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def authenticator(clock: FakeClock) -> Authenticator:
    """Accepts HS256 tokens of the secret, with 10 seconds of leeway."""
    return Authenticator(ConfiguredKeys(Key(SECRET.encode())), ["HS256"], ClaimRules(), clock=clock)


@pytest.fixture
def rsa_pem_file(tmp_path: Path) -> Path:
    path = tmp_path / "rsa.pem"
    path.write_bytes(public_pem(RSA_KEY.public_key()))
    return path


@pytest.fixture
def ec_pem_file(tmp_path: Path) -> Path:
    path = tmp_path / "ec.pem"
    path.write_bytes(public_pem(EC_KEY.public_key()))
    return path


@pytest.fixture
def rsa_authenticator(rsa_pem_file: Path, clock: FakeClock) -> Authenticator:
    settings = Settings(_env_file=None, jwt_public_key_file=rsa_pem_file)
    return authenticator_for(settings, clock=clock)


@pytest.fixture
def ec_authenticator(ec_pem_file: Path, clock: FakeClock) -> Authenticator:
    settings = Settings(_env_file=None, jwt_public_key_file=ec_pem_file, jwt_algorithms=("ES256",))
    return authenticator_for(settings, clock=clock)


@pytest.fixture
async def key_server() -> AsyncIterator[KeyServer]:
    server = KeyServer()
    await server.start()
    yield server
    await server.stop()
