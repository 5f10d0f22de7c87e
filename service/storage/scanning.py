"""Going through a collection in the order of its ids, a bounded batch at a time."""

from collections.abc import AsyncIterator

from service.storage.driver import Collection, Document
from service.storage.errors import reading

SCAN_BATCH = 200


async def scanned(collection: Collection, selected: Document) -> AsyncIterator[Document]:
    """Yield the selected documents, each once; what is made or deleted meanwhile may be missed."""
    while True:
        with reading():
            found = collection.find(selected, sort=[("_id", 1)], limit=SCAN_BATCH)
            documents = await found.to_list()
        for document in documents:
            yield document
        if len(documents) < SCAN_BATCH:
            return
        selected = {**selected, "_id": {"$gt": documents[-1]["_id"]}}
