"""Sittings as documents, and the document that makes a learner's requests take turns."""

from __future__ import annotations

from datetime import datetime

from docservice.domain.logs.user_sessions import UserSessionLog
from docservice.store.database.port import Database, Transaction
from docservice.store.mapping.log_documents import read_user_session, user_session_document

COLLECTION = "user_session_logs"
TURNS = "user_session_turns"


class UserSessionStore:
    """The sittings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_turn(self, tx: Transaction, user_id: str) -> None:
        """Let no other transaction decide about this learner's sittings before this one is over.

        A new sitting has a random id, so two transactions that both find none, or an old one, would both insert theirs
        and never meet. This document is where they meet: both write it first, so the second to do so conflicts, starts
        again on fresh documents and finds the sitting of the first. It works across processes, which a lock in memory
        does not, and needs no unique index, which sharding would not allow.
        """
        await self._database[TURNS].update_one(
            {"_id": user_id}, {"$inc": {"turns": 1}}, upsert=True, session=tx.session
        )

    async def latest(self, tx: Transaction, partition: str, since: datetime) -> UserSessionLog | None:
        """A learner's sitting with the latest interaction, None if there was none at or after `since`.

        Args:
            tx: the transaction's session.
            partition: the learner's, which is nobody else's.
            since: UTC. Older sittings are over, and there may be thousands of them: the range keeps them out of the
                sort on engines that do not read an index in its order.
        """
        query = {"_morango_partition": partition, "last_interaction_timestamp": {"$gte": since}}
        order = [("last_interaction_timestamp", -1)]
        async for found in self._database[COLLECTION].find(query, sort=order, limit=1, session=tx.session):
            return read_user_session(found)
        return None

    async def insert(self, tx: Transaction, log: UserSessionLog) -> None:
        """Store a new sitting."""
        await self._database[COLLECTION].insert_one(user_session_document(log), session=tx.session)

    async def extend(self, tx: Transaction, log: UserSessionLog) -> None:
        """Write the new end of a sitting."""
        setting = {
            "last_interaction_timestamp": log.last_interaction_timestamp,
            "_morango_dirty_bit": True,
            "has_dirty": True,
        }
        await self._database[COLLECTION].update_one(
            {"_id": log.id, "_morango_partition": log.morango_partition}, {"$set": setting}, session=tx.session
        )
