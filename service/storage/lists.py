"""Lists of heads: those requested at the same time are sent as one command.

What a command costs in addition to its work is more than the work of a short list (decision 0019).
Lists that reach far or compare metadata may be slow, and go alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

from service.domain.models import ListPage, Session
from service.signals import LIST, WatchBatch, unwatched
from service.storage.batcher import Batcher, Pending, batch_of
from service.storage.decoded_heads import decoded
from service.storage.driver import Database, Document, aggregated, undecoded
from service.storage.indexes import SESSIONS, list_index
from service.storage.reads import Reads

MAX_REACH = 200
MAX_BATCH = 50
MAX_BATCH_HEADS = 2_000
MAX_WAITING = 5_000


class ListQuery(NamedTuple):
    selected: Document
    page: ListPage

    @property
    def reach(self) -> int:
        """Return how many index entries the page is away from the beginning, at its end."""
        return self.page.skip + self.page.limit

    @property
    def order(self) -> list[tuple[str, int]]:
        direction = -1 if self.page.descending else 1
        return [(self.page.sort_by.value, direction), ("_id", direction)]


class HeadLists:
    def __init__(
        self,
        database: Database,
        reads: Reads,
        *,
        deadline_s: float,
        watch: WatchBatch = unwatched,
    ) -> None:
        self._reads = reads
        self._sessions = undecoded(database, SESSIONS)
        self._watch = watch
        self._batcher: Batcher[ListQuery, list[Session]] = Batcher(
            self._find_watched,
            max_batch=MAX_BATCH,
            max_batch_bytes=MAX_BATCH_HEADS,
            max_queue=MAX_WAITING,
            deadline_s=deadline_s,
        )

    async def find(self, selected: Document, page: ListPage) -> list[Session]:
        query = ListQuery(selected, page)
        if query.reach > MAX_REACH or "metadata_terms" in selected:
            return await self._find(query)
        return await self._batcher.submit(query, page.limit)

    async def _find_watched(self, requests: Sequence[Pending[ListQuery, list[Session]]]) -> None:
        with self._watch(batch_of(LIST, requests)):
            await self._find_batch(requests)

    async def _find_batch(self, requests: Sequence[Pending[ListQuery, list[Session]]]) -> None:
        if len(requests) == 1:
            requests[0].resolve(await self._find(requests[0].item))
            return
        pages: list[list[Session]] = [[] for _ in requests]
        joined = _joined([request.item for request in requests])
        found = await self._reads.run(lambda: aggregated(self._sessions, joined))
        for placed in found:
            pages[placed["place"]].append(decoded(placed["head"]))
        for request, page in zip(requests, pages, strict=True):
            request.resolve(page)

    async def _find(self, query: ListQuery) -> list[Session]:
        selected, page = query
        index = list_index(selected, page.sort_by)
        heads = await self._reads.run(
            lambda: (
                self._sessions.find(selected, sort=query.order, skip=page.skip, limit=page.limit)
                .hint(index)
                .to_list()
            )
        )
        return [decoded(head) for head in heads]


def _joined(lists: Sequence[ListQuery]) -> list[Document]:
    """Return the pipeline that finds all lists; each head comes with the place of its list."""
    first, *others = [_pipeline(place, query) for place, query in enumerate(lists)]
    unions = [{"$unionWith": {"coll": SESSIONS, "pipeline": other}} for other in others]
    return [*first, *unions]


def _pipeline(place: int, query: ListQuery) -> list[Document]:
    return [
        {"$match": query.selected},
        {"$sort": dict(query.order)},
        # MongoDB refuses to skip nothing.
        *([{"$skip": query.page.skip}] if query.page.skip else []),
        {"$limit": query.page.limit},
        {"$replaceWith": {"place": {"$literal": place}, "head": "$$ROOT"}},
    ]
