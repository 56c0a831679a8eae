"""Inserts the documents of a backup that are missing. Safe to repeat; stored documents change only on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from docservice.domain.upkeep.erasure import RULES, document_without, ids_within, owners_of
from docservice.errors import StoreError
from docservice.store.database.bulk import BulkStore
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.database.writes import DeleteMany
from docservice.store.directory.erased_people import ErasedPeopleStore
from docservice.store.mapping.extended_json import encoded, from_line
from docservice.store.mapping.schema import ERASED_PEOPLE, OVERFLOW, OVERFLOWING
from docservice.store.transfer.backup import SECRETS
from docservice.store.transfer.document_checks import NotOurs, require_ours

_LOST_RACES = 3
"""How often another process may insert one of the documents between our read and our insert."""


class LineOutcome(Enum):
    """What became of a document."""

    WRITTEN = "written"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    ERASED = "erased"


@dataclass
class Line:
    """A line of an export, and what became of it.

    Attributes:
        number: its place in the file, from 1.
        collection: empty if the line could not be read.
        document: as it is written; empty if the line could not be read.
        encoded: the same as BSON.
        outcome: None until that is decided.
        reason: why it was refused.
    """

    number: int
    collection: str = ""
    document: Document = field(default_factory=dict)
    encoded: bytes = b""
    outcome: LineOutcome | None = None
    reason: str = ""

    @classmethod
    def parse(cls, number: int, text: str) -> Line:
        """Read a line and check that it holds a document of ours; a line that does not is refused."""
        line = cls(number)
        try:
            line.collection, line.document = from_line(text)
            require_ours(line.collection, line.document)
            line.encoded = encoded(line.document)
        except (NotOurs, ValueError) as error:
            line.refuse(str(error))
        except RecursionError:
            line.refuse("it is nested more deeply than a document may be")
        return line

    def refuse(self, reason: str) -> None:
        """Decide that it is not written."""
        self.outcome, self.reason = LineOutcome.REFUSED, reason

    @property
    def id(self) -> Any:
        """The document's `_id`."""
        return self.document.get("_id")


class RestoreStore:
    """Writes the documents of one export, in the order of its lines."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bulk = BulkStore(database)
        self._erased = ErasedPeopleStore(database)
        self._last_log: Line | None = None

    async def write(self, lines: Sequence[Line], *, replace: bool) -> set[str]:
        """Write the documents of lines that are not refused yet, and note on each what became of it.

        Logs come before their buckets: buckets of a log that is refused are refused too, so that no attempt is stored
        beside a log that does not count it.

        Args:
            lines: the next ones of the file; at most some hundred.
            replace: put a document in the place of a different one that is there; otherwise it is refused.

        Returns:
            The ids of the people whom the lines were about, and of other things: who of them is erased meanwhile has to
            be swept up.

        Raises:
            StoreError: some documents may have been written; write the same lines again.
        """
        await self._write_tombstones([line for line in lines if line.collection == ERASED_PEOPLE])
        people = await self._leave_out_erased(lines)
        logs = [line for line in lines if line.collection != OVERFLOW]
        for collection in dict.fromkeys(line.collection for line in logs):
            await self._write(collection, [line for line in logs if line.collection == collection], replace)
        for line in lines:
            if line.collection in OVERFLOWING:
                self._last_log = line
            elif line.collection == OVERFLOW and line.outcome is None:
                log = self._last_log
                if log is None or log.id != line.document["log_id"]:
                    line.refuse("it does not follow its log")
                elif log.outcome is LineOutcome.REFUSED:
                    line.refuse("its log was refused")
        await self._write(OVERFLOW, [line for line in lines if line.collection == OVERFLOW], replace)
        return people

    async def _write_tombstones(self, lines: Sequence[Line]) -> None:
        """Write the tombstones that are missing; those that are there count, whatever the file says."""
        brought = [line for line in lines if line.outcome is None]
        documents = {line.id: line.document for line in brought}
        stored = await self._bulk.insert_missing(ERASED_PEOPLE, list(documents.values()))
        for line in brought:
            line.outcome = LineOutcome.UNCHANGED if line.id in stored else LineOutcome.WRITTEN

    async def _leave_out_erased(self, lines: Sequence[Line]) -> set[str]:
        """Note on the lines of erased people that they are left out, and take their ids out of others.

        Returns:
            The ids of all others whom the lines may be about.
        """
        open_lines = [line for line in lines if line.outcome is None and line.collection in _NAMING]
        people = {name for line in open_lines for name in _people_of(line)}
        erased = await self._erased.among(people)
        for line in open_lines if erased else ():
            document = document_without(line.collection, line.document, erased)
            if document is None:
                line.outcome = LineOutcome.ERASED
            elif document != line.document:
                line.document, line.encoded = document, encoded(document)
        return people - erased

    async def _write(self, collection: str, lines: Sequence[Line], replace: bool) -> None:
        open_lines = _without_repetitions([line for line in lines if line.outcome is None])
        if not open_lines:
            return
        ours: list[Line] = []
        for attempt in range(_LOST_RACES):
            missing, different = await self._compare(collection, open_lines)
            ours = ours or missing
            try:
                await self._bulk.insert(collection, [line.document for line in missing])
                break
            except StoreError:
                # Another process inserted one of them since the read, or the database fails, which a new read shows.
                if attempt == _LOST_RACES - 1:
                    raise
        for line in ours:
            line.outcome = LineOutcome.WRITTEN
        for line in different:
            if not replace:
                line.refuse("there is a different document with its _id (--replace puts this one in its place)")
        if replace and different:
            await self._replace(collection, different)

    async def _compare(self, collection: str, lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
        projection = dict.fromkeys(SECRETS.get(collection, ()), 0) or None
        there = await self._bulk.stored(collection, [line.id for line in lines], projection)
        missing, different = [], []
        for line in lines:
            if line.id not in there:
                missing.append(line)
            elif encoded(there[line.id]) == line.encoded:
                line.outcome = LineOutcome.UNCHANGED
            else:
                different.append(line)
        return missing, different

    async def _replace(self, collection: str, lines: Sequence[Line]) -> None:
        if collection in OVERFLOWING:
            for line in lines:
                await self._replace_log(collection, line.document)
        else:
            await self._bulk.replace(collection, [line.document for line in lines])
        for line in lines:
            line.outcome = LineOutcome.REPLACED

    async def _replace_log(self, collection: str, document: Document) -> None:
        """Put a log in the place of another version of it, whose buckets go: its own come behind it."""
        partition = document["_morango_partition"]

        async def action(tx: Transaction) -> None:
            buckets = DeleteMany({"_morango_partition": partition, "log_id": document["_id"]})
            await self._database[OVERFLOW].bulk_write([buckets], session=tx.session)
            key = {"_id": document["_id"], "_morango_partition": partition}
            await self._database[collection].replace_one(key, document, upsert=True, session=tx.session)

        await self._database.transact(action)


_NAMING = frozenset(name for name, rule in RULES.items() if rule.owners or rule.mentions == "always")


def _people_of(line: Line) -> set[str]:
    """Return the ids of whom a line may be about, as far as an erasure looks there."""
    owners = owners_of(line.collection, line.document)
    return owners | set(ids_within(line.document)) if RULES[line.collection].mentions == "always" else owners


def _without_repetitions(lines: Sequence[Line]) -> list[Line]:
    first: dict[Any, Line] = {}
    for line in lines:
        if first.setdefault(line.id, line) is not line:
            line.refuse(f"line {first[line.id].number} has the same _id")
    return list(first.values())
