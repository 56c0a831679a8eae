"""The latest background export of each facility and type, as a document that all services of a database see."""

from __future__ import annotations

from datetime import datetime

from docservice.domain.exports.csv_exports import CsvExport, ExportFile
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.mapping.schema import CSV_EXPORTS


class CsvExportStore:
    """One document for each facility and type, so that one export of these runs at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, facility: str, log_type: str, tx: Transaction | None = None) -> CsvExport | None:
        """Return the latest export, None if there was none."""
        key = {"_id": _id(facility, log_type)}
        if tx is not None:
            return _read(await self._database[CSV_EXPORTS].find_one(key, session=tx.session))
        with self._database.guarded():
            return _read(await self._database[CSV_EXPORTS].find_one(key))

    async def put(self, tx: Transaction, export: CsvExport, owner: str) -> None:
        """Write an export that `owner` works on from now on."""
        document = _document(export, owner)
        await self._database[CSV_EXPORTS].replace_one(
            {"_id": document["_id"]}, document, upsert=True, session=tx.session
        )

    async def is_owner(self, tx: Transaction, export: CsvExport, owner: str) -> bool:
        """Whether `owner` still works on the request of an export."""
        query = {"_id": _id(export.facility, export.log_type), "owner": owner, "request": export.request}
        return await self._database[CSV_EXPORTS].find_one(query, {"_id": 1}, session=tx.session) is not None

    async def set_next(self, tx: Transaction, export: CsvExport, request: int) -> None:
        """Note which request comes next."""
        key = {"_id": _id(export.facility, export.log_type)}
        await self._database[CSV_EXPORTS].update_one(key, {"$set": {"next": request}}, session=tx.session)

    async def beat(self, export: CsvExport, owner: str, percentage: int, now: datetime) -> bool:
        """Say how far an export is; whether it is still `owner`'s."""
        key = {"_id": _id(export.facility, export.log_type), "owner": owner, "request": export.request}
        with self._database.guarded():
            change = {"$set": {"percentage": percentage, "beat": now}}
            result = await self._database[CSV_EXPORTS].update_one(key, change)
        return bool(result.matched_count)

    async def delete(self, tx: Transaction, facility: str, log_type: str) -> None:
        """Delete the state of an export; its worker notices that and stops."""
        await self._database[CSV_EXPORTS].delete_one({"_id": _id(facility, log_type)}, session=tx.session)


def _id(facility: str, log_type: str) -> str:
    return f"{facility}:{log_type}"


def _document(export: CsvExport, owner: str) -> Document:
    fields = {name: value for name, value in vars(export).items() if name != "file"}
    file = vars(export.file) if export.file else None
    return {"_id": _id(export.facility, export.log_type), **fields, "file": file, "owner": owner}


def _read(document: Document | None) -> CsvExport | None:
    if document is None:
        return None
    fields = {name: value for name, value in document.items() if name not in {"_id", "owner", "file"}}
    return CsvExport(**fields, file=ExportFile(**document["file"]) if document["file"] else None)
