"""Every route, called by every caller: statuses, who sees the owner's data, who changes it.

Each response is also checked against `/openapi.json`.
"""

import pytest

from tests.rows import BY_NAME
from tests.security.described import problems_of
from tests.security.matrix import ASKED, MATRIX, WHO, Row
from tests.security.world import World


def test_the_matrix_has_a_row_for_every_route_and_no_others() -> None:
    assert sorted(MATRIX) == sorted(BY_NAME)


@pytest.mark.no_cover
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("endpoint", "row"), ASKED, ids=[f"{e}?{r.query}" for e, r in ASKED])
async def test_each_caller_may_do_what_the_matrix_says_and_gets_what_the_document_says(
    world: World, endpoint: str, row: Row, who: str
) -> None:
    answer = await world.ask(who, endpoint, row)

    assert answer.status_code == row.statuses[WHO.index(who)], answer.text
    assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)
    assert bool(world.told(endpoint, row, answer.text)) == row.may_see(who), answer.text
    assert await world.is_unchanged() != row.may_change(who)
    assert problems_of(answer, endpoint) == []
