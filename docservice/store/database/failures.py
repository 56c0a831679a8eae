"""The only place where driver errors become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import BSONError, InvalidDocument
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)
from pymongo.errors import (
    DocumentTooLarge as DriverDocumentTooLarge,
)

from docservice.errors import (
    DocServiceError,
    DocumentTooLarge,
    SettingsInvalid,
    StoreError,
    StoreRefused,
    StoreTimeout,
    StoreUnavailable,
    UnstorableValue,
)

_TOO_LARGE_CODES = {10334, 17419, 17420}
_REFUSED_CODES = {13, 18, 8000}
_DUPLICATE_KEY = 11000
_INTERNAL_ERROR = 1
_TOO_LARGE = "The document would pass 16 MiB, the largest that MongoDB stores."


@contextmanager
def translated() -> Iterator[None]:
    """Raise this project's error for any error of the driver in the block; the original is its cause."""
    try:
        yield
    except (PyMongoError, BSONError, OverflowError, UnicodeEncodeError, RecursionError) as error:
        raise translate(error) from error


def translate(error: Exception) -> DocServiceError:
    """This project's error for one of the driver's.

    PyMongo raises `bson.errors.InvalidDocument`, `OverflowError`, `UnicodeEncodeError` and `RecursionError` for values
    that BSON cannot hold; none of them is a `PyMongoError`.
    """
    if isinstance(error, PyMongoError) and isinstance(error.__cause__, ServerSelectionTimeoutError):
        # A transaction that found no server until its deadline is a mere timeout to the driver.
        return translate(error.__cause__)
    match error:
        case DriverDocumentTooLarge():
            return DocumentTooLarge(_TOO_LARGE)
        case InvalidDocument() if "too large" in str(error):
            return DocumentTooLarge(_TOO_LARGE)
        case BSONError() | OverflowError() | UnicodeEncodeError() | RecursionError():
            return UnstorableValue((), "it holds a value that a document cannot hold")
        case InvalidURI() | ConfigurationError():
            return SettingsInvalid(f"The MongoDB address is not usable: {error}")
        case ServerSelectionTimeoutError():
            return StoreUnavailable(f"No MongoDB server answers: {_first_reason(error)}")
        case ExecutionTimeout() | NetworkTimeout() | WTimeoutError():
            return StoreTimeout(f"The database did not answer in time: {_first_reason(error)}")
        case ConnectionFailure():
            return StoreUnavailable(f"The connection to the database was lost: {_first_reason(error)}")
        case OperationFailure(code=code) if code in _TOO_LARGE_CODES:
            return DocumentTooLarge(_TOO_LARGE)
        case OperationFailure(code=code) if code in _REFUSED_CODES:
            return StoreRefused(f"The database refused: {(error.details or {}).get('errmsg', error)}")
        case BulkWriteError():
            return _bulk_failure(error)
        case OperationFailure(code=code) if code == _INTERNAL_ERROR:
            # Of the embedded engine: its storage has stopped, and it is restarted in a moment.
            reason = (error.details or {}).get("errmsg", error)
            return StoreUnavailable(f"The database had a fault of its own ({reason}). Try again in a moment.")
        case PyMongoError() if error.timeout:
            return StoreTimeout(f"The database did not answer in time: {_first_reason(error)}")
    return StoreError(f"The database failed: {error}")


def _bulk_failure(error: BulkWriteError) -> DocServiceError:
    """Return what is said of a failed bulk write: the driver's own message holds whole documents, which name people."""
    details = error.details or {}
    failed = [*details.get("writeErrors", []), *details.get("writeConcernErrors", [])]
    codes = {each.get("code") for each in failed}
    if codes and codes <= _TOO_LARGE_CODES:
        return DocumentTooLarge(_TOO_LARGE)
    if error.timeout:
        return StoreTimeout("The database did not answer a bulk write in time.")
    return StoreError(f"The database failed: {len(failed)} writes of a bulk, codes {sorted(map(str, codes))}")


def only_duplicates(error: BulkWriteError) -> bool:
    """Whether a bulk write failed for nothing but documents whose `_id` is there already."""
    failed = (error.details or {}).get("writeErrors", [])
    return bool(failed) and all(each.get("code") == _DUPLICATE_KEY for each in failed)


def _first_reason(error: Exception) -> str:
    """Return the driver's message without the dump of its whole topology."""
    return str(error).split(", Timeout:")[0].split(", Topology")[0].split(" (configured timeouts")[0]
