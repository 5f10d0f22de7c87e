"""The baseline is fair: if nothing fails and nothing is repeated, its logs are complete."""

from uuid import uuid4

from config.settings import Settings
from tests.faults.checker import Violation, check
from tests.faults.counter_first import create_app
from tests.faults.final_state import read_final_state
from tests.faults.history import Dialect, History
from tests.faults.load import Load, Mix, run_load
from tests.faults.rig.service import SECRET
from tests.served import served

# Between the count and the insert, reads see a gap: no fault is needed for that.
WHILE_COUNTED = {"I6", "I10"}
# The operations of the load it supports; a delete during appends leaves orphans in it.
PLAIN = Mix(turn=0, clear=0, delete=0, replay=0)
REPEATED = Mix(turn=0, clear=0, delete=0, replay=20)


async def run(mongo_url: str, mix: Mix) -> list[Violation]:
    name, history = f"faults_{uuid4().hex}", History(seed=7)
    settings = Settings(_env_file=None, mongo_url=mongo_url, mongo_database=name, jwt_secret=SECRET)
    load = Load(seed=7, appends=300, sessions=9, mix=mix, dialects=frozenset({Dialect.NATIVE}))
    app = create_app(settings)
    async with app.router.lifespan_context(app), served(app) as url:
        await run_load([url], load, history)
        state = await read_final_state(url, mongo_url, name, history)
    return check(history, state)


async def test_if_nothing_fails_its_logs_are_complete_at_rest(mongo_url: str) -> None:
    violations = await run(mongo_url, PLAIN)

    assert {violation.invariant for violation in violations} <= WHILE_COUNTED


async def test_a_client_that_repeats_an_append_stores_it_again(mongo_url: str) -> None:
    violations = await run(mongo_url, REPEATED)

    assert {violation.invariant for violation in violations} >= {"I3"}
