"""User sessions as documents, and the lock document of a learner."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from docservice.domain.logs.user_sessions import UserSessionLog
from docservice.store.database.port import Database, Transaction, one_of
from docservice.store.database.writes import InsertOne, UpdateOne, Write
from docservice.store.mapping.log_documents import read_user_session, user_session_document
from docservice.store.mapping.schema import USER_SESSION_LOCKS, USER_SESSIONS


class UserSessionStore:
    """The user sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_turns(self, tx: Transaction, user_ids: Iterable[str]) -> None:
        """Let no other transaction decide about these learners' user sessions before this one is over.

        A new user session has a random id, so two transactions that both find none, or an old one, would both insert
        theirs and never meet. This document is where they meet: both write it first, so the second to do so conflicts,
        starts again on fresh documents and finds the user session of the first. It works across processes, which a
        lock in memory does not, and needs no unique index, which sharding would not allow.
        """
        writes: list[Write] = [
            UpdateOne({"_id": user_id}, {"$inc": {"turns": 1}}, upsert=True) for user_id in sorted(set(user_ids))
        ]
        await self._database[USER_SESSION_LOCKS].bulk_write(writes, session=tx.session)

    async def latest(self, tx: Transaction, partitions: Iterable[str], since: datetime) -> dict[str, UserSessionLog]:
        """Return the user session with the latest interaction of each learner, by partition.

        Args:
            tx: the transaction's session.
            partitions: of the learners; each learner has one partition.
            since: UTC. Older user sessions are over, and a learner may have thousands of them.

        Returns:
            Nothing for learners without any interaction at or after `since`.
        """
        query = {"_morango_partition": one_of(partitions), "last_interaction_timestamp": {"$gte": since}}
        latest: dict[str, UserSessionLog] = {}
        async for document in self._database[USER_SESSIONS].find(query, session=tx.session):
            log = read_user_session(document)
            known = latest.get(log.morango_partition)
            if known is None or _last_seen(log) > _last_seen(known):
                latest[log.morango_partition] = log
        return latest

    async def write(self, tx: Transaction, new: Iterable[UserSessionLog], extended: Iterable[UserSessionLog]) -> None:
        """Store new user sessions, and the new end of others."""
        writes: list[Write] = [InsertOne(user_session_document(log)) for log in new]
        for log in extended:
            setting = {
                "last_interaction_timestamp": log.last_interaction_timestamp,
                "_morango_dirty_bit": True,
                "has_dirty": True,
            }
            key = {"_id": log.id, "_morango_partition": log.morango_partition}
            writes.append(UpdateOne(key, {"$set": setting}))
        if writes:
            await self._database[USER_SESSIONS].bulk_write(writes, session=tx.session)


def _last_seen(log: UserSessionLog) -> datetime:
    if log.last_interaction_timestamp is None:
        raise RuntimeError("The query asks for user sessions with an interaction.")
    return log.last_interaction_timestamp
