"""How the service connects: the URL says where the database is, not what is promised."""

from typing import Any

import pytest
from pymongo import ReadPreference

from tests.contract.conftest import REAL_KINDS
from tests.databases import connected

WEAKER = "w=1&journal=false&readConcernLevel=local&readPreference=secondary"


@pytest.mark.parametrize("kind", REAL_KINDS)
async def test_a_url_cannot_weaken_the_promises(kind: str) -> None:
    async with connected(kind, f"mongodb://127.0.0.1:1/?{WEAKER}") as connecting:
        client: Any = connecting

        assert client.write_concern.document == {"w": "majority", "j": True}
        assert client.read_concern.level == "majority"
        assert client.read_preference == ReadPreference.PRIMARY
