"""Where the driver's exceptions end: each becomes a domain error that says what is known."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import (
    BulkWriteError,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from service.domain.errors import OutcomeUnknown, StoreUnavailable
from service.storage.driver import Document

DUPLICATE_KEY_CODE = 11000

logger = logging.getLogger(__name__)


@contextmanager
def reading() -> Iterator[None]:
    """A read that fails has changed nothing."""
    try:
        yield
    except PyMongoError as error:
        _log(error)
        raise StoreUnavailable from None


@contextmanager
def changing() -> Iterator[None]:
    """A change is known not to have happened only if it was never sent.

    The driver says so when it found no server. When it found no free connection, it may
    have been for the second try of a change whose first was sent.
    """
    try:
        yield
    except ServerSelectionTimeoutError as error:
        _log(error)
        raise StoreUnavailable from None
    except PyMongoError as error:
        _log(error)
        raise OutcomeUnknown from None


def _log(error: PyMongoError) -> None:
    # The text of a driver error may carry documents; its class and code do not.
    logger.warning(
        "database call failed: %s (code %s)", type(error).__name__, getattr(error, "code", None)
    )


def duplicates_in(error: BulkWriteError) -> dict[int, Document]:
    """Return which of the inserts met a taken key, by their place; other errors go on."""
    failed: list[Document] = error.details.get("writeErrors", [])
    others = [failure for failure in failed if failure.get("code") != DUPLICATE_KEY_CODE]
    if others or not failed or error.details.get("writeConcernErrors"):
        raise error
    return {int(failure["index"]): failure for failure in failed}
