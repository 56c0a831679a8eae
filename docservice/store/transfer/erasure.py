"""Removes what belongs to a person.

A bounded number of documents goes at a time, in one transaction with its count on the tombstone: however often an
erasure is interrupted, its counts are right in the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing, nullcontext
from datetime import datetime
from typing import Any

from docservice.domain.upkeep.erasure import (
    ACCOUNT,
    KEY_PREFIX,
    RIGHTS,
    RULES,
    closed_account,
    key_id,
    mentions,
    owners_of,
    person_digest,
    without_person,
)
from docservice.domain.values.times import iso_text
from docservice.errors import PermissionDenied
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.database.writes import DeleteMany, DeleteOne, Write
from docservice.store.directory.erased_people import ErasedPeopleStore
from docservice.store.mapping.schema import (
    CSV_EXPORTS,
    DIRECTORY_LOCKS,
    DOCUMENT_SCHEMAS,
    ERASED_PEOPLE,
    IDEMPOTENCY_KEYS,
    OVERFLOW,
)

_LOGS = frozenset({*DOCUMENT_SCHEMAS, OVERFLOW})
_AT_ONCE = 200
_LOGS_AT_ONCE = 20
"""Documents of logs may be large, and have an index entry for each attempt."""


class ErasureStore:
    """Removes one person at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._erased = ErasedPeopleStore(database)

    async def account(self, user_id: str) -> Document | None:
        """Return the account of a person, also one that is closed; None if there is none."""
        with self._database.guarded():
            return await self._database[ACCOUNT].find_one({"_id": user_id})

    async def user_called(self, username: str) -> list[str]:
        """Return the ids of accounts with a username whose erasure has begun and not come to its end."""
        found = self._database.stream(ACCOUNT, {"username": username, "date_deleted": {"$gt": ""}}, {"_id": 1})
        async with aclosing(found) as accounts:
            ids = [account["_id"] async for account in accounts]
        return [user_id for user_id in ids if await self._erased.tombstone(user_id)]

    async def dataset_ids(self, user_id: str) -> set[str]:
        """Return the datasets that a person has an account or logs in."""
        account = await self.account(user_id)
        found = {account["dataset_id"]} if account and account.get("dataset_id") else set()
        for collection in DOCUMENT_SCHEMAS:
            pipeline = [{"$match": {"user_id": user_id}}, {"$group": {"_id": "$dataset_id"}}]
            async with aclosing(self._database.aggregate(collection, pipeline)) as groups:
                found |= {str(group["_id"]) async for group in groups}
        return found

    async def facility_ids(self, dataset_ids: Sequence[str]) -> list[str]:
        """Return the facilities that have these datasets."""
        query = {"kind": "facility", "dataset_id": {"$in": list(dataset_ids)}}
        async with aclosing(self._database.stream("facility_collections", query, {"_id": 1})) as facilities:
            return sorted([facility["_id"] async for facility in facilities])

    async def administrators(self, dataset_id: str, tx: Transaction | None = None) -> set[str]:
        """Return who administers a facility: its admins, and all superusers.

        Args:
            dataset_id: of the facility.
            tx: a transaction to read in; None for none.
        """
        session = None if tx is None else tx.session
        # In a transaction the driver has to see its own errors.
        with self._database.guarded() if tx is None else nullcontext():
            superusers = self._database[ACCOUNT].find({"is_superuser": True}, {"date_deleted": 1}, session=session)
            found = {user["_id"] async for user in superusers if not user.get("date_deleted")}
            query: Document = {"kind": "facility", "dataset_id": dataset_id}
            facilities = self._database["facility_collections"].find(query, {"_id": 1}, session=session)
            query = {"kind": "admin", "collection_id": {"$in": [facility["_id"] async for facility in facilities]}}
            roles = self._database["roles"].find(query, {"user_id": 1}, session=session)
            return found | {role["user_id"] async for role in roles}

    async def _require_another_administrator(self, tx: Transaction, account: Document | None) -> None:
        """Check that a facility is left with somebody who administers it.

        Raises:
            PermissionDenied: it is not.
        """
        if account is not None and await self.administrators(str(account.get("dataset_id")), tx) == {account["_id"]}:
            raise PermissionDenied(
                "Nobody else administers this facility. Make somebody else its admin first, or use docservice erase."
            )

    async def count(self, user_id: str) -> dict[str, int]:
        """Return how many documents of each collection belong to a person; collections without any are left out."""
        counts: dict[str, int] = {}
        for collection in RULES:
            query = _owned(collection, user_id)
            if query is None:
                continue
            with self._database.guarded():
                number = await self._database[collection].count_documents(query)
            if number:
                counts[collection] = number
        return counts

    async def naming(self, user_id: str, *, thorough: bool) -> dict[str, int]:
        """Return how many documents of others name a person, by collection; see `ErasureRule.mentions`."""
        counts: dict[str, int] = {}
        for collection in RULES:
            if number := len(await self._naming(collection, user_id, thorough=thorough)):
                counts[collection] = number
        return counts

    async def begin(
        self, user_id: str, new_key: str, now: datetime, dataset_ids: set[str], *, may_be_last: bool
    ) -> Document:
        """Make the tombstone, close the account and remove the person's rights, all in one transaction.

        A tombstone that is there stays as it is: an erasure that was interrupted goes on.

        Args:
            user_id: the person.
            new_key: of the digest, if the database has no key yet; hex characters.
            now: UTC.
            dataset_ids: of the facilities that the person has logs in.
            may_be_last: begin also if nobody else administers the facility.

        Returns:
            The tombstone.

        Raises:
            PermissionDenied: nobody else administers the facility.
        """

        async def action(tx: Transaction) -> Document:
            # Other writers of the directory meet this one here: one that began before starts again and sees the
            # tombstone.
            await self._database[DIRECTORY_LOCKS].update_one(
                {"_id": "all"}, {"$inc": {"turns": 1}}, upsert=True, session=tx.session
            )
            account = await self._database[ACCOUNT].find_one({"_id": user_id}, session=tx.session)
            if not may_be_last:
                await self._require_another_administrator(tx, account)
            tombstone = await self._erased.tombstone(user_id, tx)
            if tombstone is None:
                tombstone = await self._bury(tx, user_id, new_key, now)
            open_again = {"finished_at": None, "dataset_ids": sorted({*tombstone.get("dataset_ids", ()), *dataset_ids})}
            await self._database[ERASED_PEOPLE].update_one(
                {"_id": tombstone["_id"]}, {"$set": open_again}, session=tx.session
            )
            if account is not None:
                closed = closed_account(account, account.get("date_deleted") or iso_text(now))
                await self._database[ACCOUNT].replace_one({"_id": user_id}, closed, session=tx.session)
            for collection in RIGHTS:
                gone = await self._database[collection].bulk_write(
                    [DeleteMany({"user_id": user_id})], session=tx.session
                )
                await self._note(tx, tombstone["_id"], "removed", collection, gone.deleted_count)
            return {**tombstone, **open_again}

        return await self._database.transact(action)

    async def _bury(self, tx: Transaction, user_id: str, new_key: str, now: datetime) -> Document:
        keys = await self._erased.keys(tx)
        if not keys:
            keys = [new_key]
            key = {"_id": KEY_PREFIX + key_id(new_key), "key": new_key}
            await self._database[ERASED_PEOPLE].insert_one(key, session=tx.session)
        tombstone: Document = {
            "_id": person_digest(keys[0], user_id),
            "key": key_id(keys[0]),
            "erased_at": now,
            "finished_at": None,
            "removed": {},
            "changed": {},
            "files": 0,
        }
        await self._database[ERASED_PEOPLE].insert_one(tombstone, session=tx.session)
        return tombstone

    async def remove(self, collection: str, user_id: str, digest: str) -> int:
        """Remove the documents of a collection that belong to a person; return how many there were now."""
        query, total = _owned(collection, user_id), 0
        if query is None:
            return 0
        size = _LOGS_AT_ONCE if collection in _LOGS else _AT_ONCE
        while True:
            keys = await self._keys(collection, query, size)
            if not keys:
                return total

            async def action(tx: Transaction, keys: list[Document] = keys) -> int:
                writes: list[Write] = [DeleteOne(key) for key in keys]
                gone = await self._database[collection].bulk_write(writes, session=tx.session)
                await self._note(tx, digest, "removed", collection, gone.deleted_count)
                return int(gone.deleted_count)

            total += await self._database.transact(action)

    async def remove_exports(self, facility_ids: Sequence[str], digest: str) -> int:
        """Forget the exports of facilities; their workers stop, and nobody finds their files any more."""
        states = [f"{facility}:" for facility in facility_ids]
        if not states:
            return 0
        query = {"$or": [{"_id": {"$gte": each, "$lt": each[:-1] + ";"}} for each in states]}

        async def action(tx: Transaction) -> int:
            gone = await self._database[CSV_EXPORTS].bulk_write([DeleteMany(query)], session=tx.session)
            await self._note(tx, digest, "removed", CSV_EXPORTS, gone.deleted_count)
            return int(gone.deleted_count)

        return await self._database.transact(action)

    async def take_out(self, collection: str, user_id: str, digest: str, *, thorough: bool) -> int:
        """Take a person's id out of the documents of others in a collection; return how many named the person."""
        total = 0
        for key in await self._naming(collection, user_id, thorough=thorough):

            async def action(tx: Transaction, key: Document = key) -> int:
                document = await self._database[collection].find_one(key, session=tx.session)
                if document is None or not mentions(document, user_id):
                    return 0
                await self._database[collection].replace_one(key, without_person(document, user_id), session=tx.session)
                await self._note(tx, digest, "changed", collection, 1)
                return 1

            total += await self._database.transact(action)
        return total

    async def note_files(self, digest: str, number: int) -> None:
        """Count files that were removed."""
        if number:
            async with self._database.writing():
                await self._database[ERASED_PEOPLE].update_one({"_id": digest}, {"$inc": {"files": number}})

    async def finish(self, user_id: str, digest: str, now: datetime) -> Document:
        """Remove the account and say on the tombstone that nothing is left; return the tombstone."""

        async def action(tx: Transaction) -> Document:
            gone = await self._database[ACCOUNT].bulk_write([DeleteMany({"_id": user_id})], session=tx.session)
            await self._note(tx, digest, "removed", ACCOUNT, gone.deleted_count)
            await self._database[ERASED_PEOPLE].update_one(
                {"_id": digest}, {"$set": {"finished_at": now}, "$unset": {"dataset_ids": ""}}, session=tx.session
            )
            tombstone = await self._database[ERASED_PEOPLE].find_one({"_id": digest}, session=tx.session)
            if tombstone is None:
                raise RuntimeError("A tombstone is never removed.")
            return tombstone

        return await self._database.transact(action)

    async def _keys(self, collection: str, query: Document, size: int) -> list[Document]:
        fields = {"_id": 1, "_morango_partition": 1} if collection in _LOGS else {"_id": 1}
        with self._database.guarded():
            found = self._database[collection].find(query, fields, limit=size)
            return [document async for document in found]

    async def _naming(self, collection: str, user_id: str, *, thorough: bool) -> list[Document]:
        """Return the keys of the documents that name a person and do not belong to that person."""
        rule = RULES[collection]
        if rule.mentions == "never" or (rule.mentions == "if-thorough" and not thorough):
            return []
        found: list[Document] = []
        async with aclosing(self._database.stream(collection, {})) as documents:
            async for document in documents:
                if user_id not in owners_of(collection, document) and mentions(document, user_id):
                    names = ("_id", "_morango_partition") if collection in _LOGS else ("_id",)
                    found.append({name: document[name] for name in names})
        return found

    async def _note(self, tx: Transaction, digest: str, what: str, collection: str, number: int) -> None:
        if number:
            await self._database[ERASED_PEOPLE].update_one(
                {"_id": digest}, {"$inc": {f"{what}.{collection}": number}}, session=tx.session
            )


def _owned(collection: str, user_id: str) -> Document | None:
    """Return the query for what belongs to a person; None if nothing of the collection does."""
    conditions: list[Mapping[str, Any]] = [{path: user_id} for path in RULES[collection].owners]
    if collection == IDEMPOTENCY_KEYS:
        # An earlier version did not note whom a reply is about. Replies are kept for a day.
        conditions.append({"user_ids": {"$exists": False}})
    if not conditions:
        return None
    return dict(conditions[0]) if len(conditions) == 1 else {"$or": conditions}
