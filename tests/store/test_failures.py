"""Driver errors become ours, and no other ones leave the store."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from bson.errors import InvalidBSON, InvalidDocument
from pymongo import errors as driver

from docservice import DocService, errors
from docservice.errors import DocServiceError
from docservice.store.database.failures import translate, translated
from docservice.store.database.pymongo_db import PyMongoDatabase

# PyMongo leaves sockets to the collector when it is cancelled while it connects: not the fault of a later test.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect what the driver left, before another test begins."""
    yield
    gc.collect()


TABLE: list[tuple[Exception, type[DocServiceError]]] = [
    (driver.DocumentTooLarge("too large"), errors.DocumentTooLarge),
    (InvalidDocument("BSON document too large (17000000 bytes)"), errors.DocumentTooLarge),
    (driver.OperationFailure("x", code=10334), errors.DocumentTooLarge),
    (driver.WriteError("x", code=17419), errors.DocumentTooLarge),
    (driver.OperationFailure("x", code=17420), errors.DocumentTooLarge),
    (InvalidDocument("cannot encode object"), errors.UnstorableValue),
    (InvalidBSON("x"), errors.UnstorableValue),
    (OverflowError("BSON can only handle up to 8-byte ints"), errors.UnstorableValue),
    (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), errors.UnstorableValue),
    (RecursionError(), errors.UnstorableValue),
    (driver.InvalidURI("x"), errors.SettingsInvalid),
    (driver.ConfigurationError("x"), errors.SettingsInvalid),
    (driver.ServerSelectionTimeoutError("x"), errors.StoreUnavailable),
    (driver.AutoReconnect("x"), errors.StoreUnavailable),
    (driver.NotPrimaryError("x"), errors.StoreUnavailable),
    (driver.ConnectionFailure("x"), errors.StoreUnavailable),
    (driver.NetworkTimeout("x"), errors.StoreTimeout),
    (driver.ExecutionTimeout("x"), errors.StoreTimeout),
    (driver.WTimeoutError("x"), errors.StoreTimeout),
    (driver.OperationFailure("x", code=13), errors.StoreRefused),
    (driver.OperationFailure("x", code=18), errors.StoreRefused),
    (driver.OperationFailure("x", code=8000), errors.StoreRefused),
    (driver.OperationFailure("x", code=1), errors.StoreUnavailable),
    (driver.OperationFailure("x", code=2), errors.StoreError),
    (driver.DuplicateKeyError("x"), errors.StoreError),
    (driver.InvalidOperation("x"), errors.StoreError),
]


@pytest.mark.parametrize(("error", "kind"), TABLE, ids=lambda value: getattr(value, "__name__", repr(value)[:60]))
def test_translation(error: Exception, kind: type[DocServiceError]) -> None:
    """Each error of the driver has one of ours, with the original as its cause."""
    with pytest.raises(DocServiceError) as caught, translated():
        raise error

    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyError("x"), errors.LogNotFound(), ZeroDivisionError()])
def test_other_errors_pass(error: Exception) -> None:
    """What is not of the driver passes as it is."""
    with pytest.raises(type(error)) as caught, translated():
        raise error

    assert caught.value is error


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a": 2**70}, errors.UnstorableValue),
        ({"a": "\ud800"}, errors.UnstorableValue),
        ({"a\0b": 1}, errors.UnstorableValue),
        ({"a": object()}, errors.UnstorableValue),
        ({"a": b"x" * (17 * 1024 * 1024)}, errors.DocumentTooLarge),
    ],
    ids=["integer", "surrogate", "nul", "object", "size"],
)
async def test_what_the_driver_really_raises(
    mongodb_uri: str, database: Any, value: dict[str, Any], kind: type[DocServiceError]
) -> None:
    """Values that BSON cannot hold raise our errors when they are really sent."""
    store = PyMongoDatabase.connect(mongodb_uri, database.name, timeout_seconds=10)

    with pytest.raises(kind), store.guarded():
        await store["values"].insert_one(value)

    await store.close()


async def test_no_server() -> None:
    """A server that is not there is unavailable, soon, and worth a retry; the message is one line without dumps."""
    logs = DocService("mongodb://127.0.0.1:1/?directConnection=true", timeout_seconds=0.3)

    with pytest.raises(errors.StoreUnavailable) as caught:
        await logs.__aenter__()

    assert caught.value.retryable
    assert "Topology" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


@pytest.mark.parametrize("uri", ["http://127.0.0.1/", "mongodb://", "mongodb://a:b:c/", "mongodb://127.0.0.1:99999/"])
async def test_no_uri(uri: str) -> None:
    """An address that is none is the operator's mistake."""
    with pytest.raises(errors.SettingsInvalid):
        await DocService(uri, timeout_seconds=0.3).__aenter__()


def test_message_of_a_timeout_is_ours() -> None:
    """The message says what happened, with the driver's words after it."""
    assert str(translate(driver.NetworkTimeout("too late"))) == "The database did not answer in time: too late"


@pytest.mark.parametrize(
    ("codes", "expected"), [([17420, 10334], errors.DocumentTooLarge), ([17420, 8], errors.StoreError)]
)
def test_a_bulk_that_failed_shows_no_document(codes: list[int], expected: type[DocServiceError]) -> None:
    """The driver's message holds the documents, and with them what learners wrote."""
    failed = [{"index": 0, "code": code, "errmsg": "x", "op": {"full_name": "Ada"}} for code in codes]

    found = translate(driver.BulkWriteError({"writeErrors": failed}))

    assert type(found) is expected
    assert "Ada" not in str(found)
