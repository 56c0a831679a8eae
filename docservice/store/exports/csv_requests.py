"""Requests for CSV exports as documents."""

from __future__ import annotations

from collections.abc import AsyncIterator

from docservice.domain.requests.csv_exports import StoredCsvRequest
from docservice.domain.values.times import KolibriTime, to_milliseconds
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.mapping.schema import CSV_REQUESTS, DEVICE_SETTINGS

_TIMES = ("selected_start_date", "selected_end_date", "date_requested")


class CsvRequestStore:
    """Keeps requests; their ids are counted up from 1."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, tx: Transaction, request: StoredCsvRequest) -> StoredCsvRequest:
        """Keep a new request under the next id; the one given is not looked at."""
        counters = self._database[DEVICE_SETTINGS]
        await counters.update_one({"_id": CSV_REQUESTS}, {"$inc": {"last_id": 1}}, upsert=True, session=tx.session)
        counter = await counters.find_one({"_id": CSV_REQUESTS}, session=tx.session)
        number = int(counter["last_id"]) if counter else 1
        stored = StoredCsvRequest(number, request.facility, request.log_type, request.times)
        await self._database[CSV_REQUESTS].insert_one(_document(stored), session=tx.session)
        return stored

    async def replace(self, tx: Transaction, request: StoredCsvRequest) -> None:
        """Write a changed request."""
        await self._database[CSV_REQUESTS].replace_one({"_id": request.id}, _document(request), session=tx.session)

    async def delete(self, tx: Transaction, number: int) -> None:
        """Remove a request."""
        await self._database[CSV_REQUESTS].delete_one({"_id": number}, session=tx.session)

    async def get(self, number: int) -> StoredCsvRequest | None:
        """Return the request with this id."""
        with self._database.guarded():
            found = await self._database[CSV_REQUESTS].find_one({"_id": number})
        return _read(found) if found else None

    async def find(self, *, facility: str | None, log_type: str | None) -> AsyncIterator[StoredCsvRequest]:
        """Yield the requests of a facility (None: of all) and type (None: both), oldest first."""
        query = {name: value for name, value in (("facility", facility), ("log_type", log_type)) if value is not None}
        async for document in self._database.stream(CSV_REQUESTS, query, sort=[("_id", 1)]):
            yield _read(document)


def _document(request: StoredCsvRequest) -> Document:
    times = {name: to_milliseconds(time.moment) if time else None for name, time in request.times.items()}
    recorded = {name: str(time) for name, time in request.times.items() if time}
    return {
        "_id": request.id,
        "facility": request.facility,
        "log_type": request.log_type,
        **times,
        "_recorded": recorded,
    }


def _read(document: Document) -> StoredCsvRequest:
    recorded = document["_recorded"]
    times = {name: KolibriTime.parse(recorded[name]) if name in recorded else None for name in _TIMES}
    return StoredCsvRequest(document["_id"], document["facility"], document["log_type"], times)
