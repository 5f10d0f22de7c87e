"""Going through a collection in the order of its ids, a bounded batch at a time."""

from collections.abc import AsyncIterator

from service.storage.driver import Collection, Document
from service.storage.reads import Reads

SCAN_BATCH = 200


async def scanned(
    collection: Collection, selected: Document, reads: Reads
) -> AsyncIterator[Document]:
    """Yield the selected documents, each once; what is made or deleted meanwhile may be missed."""

    async def batch() -> list[Document]:
        return await collection.find(rest, sort=[("_id", 1)], limit=SCAN_BATCH).to_list()

    rest = selected
    while True:
        documents = await reads.run(batch)
        for document in documents:
            yield document
        if len(documents) < SCAN_BATCH:
            return
        rest = {**selected, "_id": {"$gt": documents[-1]["_id"]}}
