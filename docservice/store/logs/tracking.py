"""The logs that tracking works on: read once, changed by rules, written once, in one transaction.

    logs = TrackedLogs(database, tx)
    await logs.read_sessions([...])      # one query a collection, however many actions
    await logs.read_summaries([...])
    ...                                  # for each action: the rule, then `keep` what it gives
    await logs.write()                   # one bulk write a collection

Positions of attempts, paths, attempts that moved to buckets and dirty marks stay in here. What one action keeps, the
next one of the same transaction sees. Every statement carries the partition, which is the shard key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from docservice.domain.logs.content_logs import AttemptLog, ContentSessionLog, ContentSummaryLog, MasteryLog
from docservice.domain.requests.tracking import Interaction
from docservice.domain.tracking.content_sessions import SessionLogs, Start, Update
from docservice.domain.tracking.interactions import AttemptChanges, selecting
from docservice.store.database.port import AlreadyKept, Database, Document, Transaction
from docservice.store.database.writes import UpdateOne, Write
from docservice.store.logs.attempts import joined
from docservice.store.logs.keys import LogKey, filter_of
from docservice.store.logs.open_logs import OpenLog
from docservice.store.logs.overflow import OverflowStore
from docservice.store.mapping.counters import attempt_size
from docservice.store.mapping.log_documents import (
    attempt_document,
    inherited_fields,
    read_attempt,
    read_session,
    read_summary,
)
from docservice.store.mapping.schema import OVERFLOW, SESSIONS, SUMMARIES

_WITHOUT_ATTEMPTS = {"mastery_logs.attempts": 0}

_RECENT_ACTIONS = 8
"""How many of its last transactions a session document names, on an engine that forgets commits.

When such an engine dies between a commit and its acknowledgement, the driver cannot tell whether it was kept, nor can
the engine after its restart: the driver runs the action again. A run that finds its own mark was kept before. Several,
because other processes may have reported since.
"""


class _Owner(NamedTuple):
    """The document that a list of attempts is in.

    Attributes:
        document_id: of a session, a summary or a bucket.
        inherited: what the attempts take from it, by field.
    """

    document_id: str
    inherited: dict[str, Any]

    @classmethod
    def of(cls, log: ContentSessionLog | ContentSummaryLog) -> _Owner:
        """Return the document of a log."""
        fields = {"dataset_id": log.dataset_id, "user_id": log.user_id, "morango_partition": log.morango_partition}
        return cls(log.id, fields)

    @classmethod
    def of_document(cls, document: Document) -> _Owner:
        """Return a document that was read."""
        return cls(document["_id"], inherited_fields(document))


class _Place(NamedTuple):
    """Where an attempt is: a position in one list of a session, a summary or a bucket."""

    collection: str
    document_id: str
    masterylog_id: str | None
    position: int
    partition: str


class _Choice:
    """Which attempts interactions choose, and those that were found.

    Attributes:
        ids: chosen by id.
        items: chosen as the latest attempt at an item.
        found: by id.
    """

    def __init__(self, ids: set[str], items: set[str]) -> None:
        self.ids = ids
        self.items = items
        self.found: dict[str, AttemptLog] = {}

    @classmethod
    def of(cls, interactions: Sequence[Interaction]) -> _Choice:
        """Return what interactions choose; see `domain.tracking.interactions`."""
        first = selecting(interactions)
        ids = {interaction.id for interaction in first if interaction.id is not None}
        items = {interaction.item for interaction in first if interaction.replace and interaction.id is None}
        return cls(ids, items)

    @property
    def missing(self) -> set[str]:
        """The ids that were not found yet."""
        return self.ids - self.found.keys()

    def takes(self, attempt: Document) -> bool:
        """Whether a stored attempt is chosen and new."""
        return (attempt["id"] in self.ids or attempt["item"] in self.items) and attempt["id"] not in self.found


class TrackedLogs:
    """Sessions and summaries of one transaction, with the attempts that its actions choose."""

    def __init__(self, database: Database, tx: Transaction) -> None:
        """Begin with no logs.

        Args:
            database: connected.
            tx: under way.
        """
        self._database = database
        self._tx = tx
        self._overflow = OverflowStore(database)
        self._sessions: dict[str, OpenLog[ContentSessionLog]] = {}
        self._summaries: dict[str, OpenLog[ContentSummaryLog]] = {}
        self._places: dict[str, _Place] = {}
        self._attempts: dict[str, AttemptLog] = {}  # as they are now, of those that were changed or created
        self._elsewhere: dict[_Place, AttemptLog] = {}
        self._sizes_elsewhere: dict[_Place, int] = {}

    async def read_sessions(self, keys: Iterable[LogKey]) -> None:
        """Read content sessions with their loose attempts.

        Raises:
            AlreadyKept: an earlier run of this transaction was committed.
        """
        async for document in self._find(SESSIONS, keys, None):
            if self._tx.may_be_kept and self._tx.id in document.get("recent_actions", ()):
                raise AlreadyKept
            self._sessions[document["_id"]] = OpenLog(read_session(document), document)

    async def read_summaries(self, whole: Iterable[LogKey], others: Iterable[LogKey]) -> None:
        """Read summaries with their mastery logs.

        Args:
            whole: keys of those whose embedded attempts some action chooses or shows.
            others: of those that actions only change or add attempts to.
        """
        for keys, projection in ((whole, None), (others, _WITHOUT_ATTEMPTS)):
            async for document in self._find(SUMMARIES, keys, projection):
                summary = read_summary(document, with_attempts=False)
                self._summaries[document["_id"]] = OpenLog(summary, document, whole=projection is None)

    async def _find(self, collection: str, keys: Iterable[LogKey], projection: Any) -> AsyncIterator[Document]:
        wanted = set(keys)
        if not wanted:
            return
        query = filter_of(wanted)
        async for document in self._database[collection].find(query, projection, session=self._tx.session):
            yield document

    def session(self, key: LogKey) -> ContentSessionLog | None:
        """Return a session as it is now, None if the partition has no such session."""
        open_log = self._sessions.get(key.log_id)
        return open_log.log if open_log and open_log.log.morango_partition == key.partition else None

    def summary(self, key: LogKey) -> ContentSummaryLog | None:
        """Return a summary as it is now, None if the partition has no such summary."""
        open_log = self._summaries.get(key.log_id)
        return open_log.log if open_log and open_log.log.morango_partition == key.partition else None

    async def chosen_attempts(self, logs: SessionLogs, interactions: Sequence[Interaction]) -> list[AttemptLog]:
        """Return the stored attempts that interactions may choose.

        Args:
            logs: of the session that reports; read in this transaction.
            interactions: validated.
        """
        choice = _Choice.of(interactions)
        if logs.summary is not None and logs.mastery_log is not None:
            await self._choose_of_mastery_log(logs.summary, logs.mastery_log, choice)
        else:
            await self._choose_loose(logs.session, choice)
        return list(choice.found.values())

    async def _choose_of_mastery_log(
        self, summary: ContentSummaryLog, mastery_log: MasteryLog, choice: _Choice
    ) -> None:
        embedded = self._summaries[summary.id].attempts(mastery_log.id)
        self._choose(SUMMARIES, _Owner.of(summary), embedded, mastery_log.id, choice)
        if mastery_log.attempt_count > len(embedded):
            await self._choose_moved(_Owner.of(summary), mastery_log.id, choice, ids=choice.missing, items=choice.items)

    async def _choose_loose(self, session: ContentSessionLog, choice: _Choice) -> None:
        """Choose attempts that belong to no mastery log.

        By id they may belong to any session of the same learner (or of any anonymous visitor); by item to any session
        of the learner, but only to this one of an anonymous visitor.
        """
        opened, anonymous, owner = self._sessions[session.id], session.user_id is None, _Owner.of(session)
        self._choose(SESSIONS, owner, opened.attempts(None), None, choice)
        for path, wanted in (("attempts.id", choice.missing), ("attempts.item", set() if anonymous else choice.items)):
            for value in sorted(wanted):  # one by one: so every engine sees that the partial index holds them all
                query = {"_morango_partition": session.morango_partition, path: value}
                async for other in self._database[SESSIONS].find(query, session=self._tx.session):
                    known = self._sessions.get(other["_id"])
                    attempts = known.attempts(None) if known else other["attempts"]
                    self._choose(SESSIONS, _Owner.of_document(other), attempts, None, choice)
        await self._choose_moved(owner, None, choice, ids=choice.missing)
        if not anonymous or (opened.document or {}).get("overflow_buckets"):
            log_id = session.id if anonymous else None
            await self._choose_moved(owner, None, choice, items=choice.items, log_id=log_id)

    async def _choose_moved(
        self,
        owner: _Owner,
        masterylog_id: str | None,
        choice: _Choice,
        *,
        ids: Collection[str] = (),
        items: Collection[str] = (),
        log_id: str | None = None,
    ) -> None:
        """Choose attempts in the buckets of the owner's partition."""
        buckets = self._overflow.holding(
            self._tx,
            owner.inherited["morango_partition"],
            masterylog_id,
            ids=sorted(ids),
            items=sorted(items),
            log_id=log_id,
        )
        async for bucket in buckets:
            self._choose(OVERFLOW, _Owner.of_document(bucket), bucket["attempts"], masterylog_id, choice)

    def _choose(
        self,
        collection: str,
        owner: _Owner,
        attempts: Iterable[Document],
        masterylog_id: str | None,
        choice: _Choice,
    ) -> None:
        for position, attempt in enumerate(attempts):
            if choice.takes(attempt):
                attempt_id = attempt["id"]
                partition = owner.inherited["morango_partition"]
                place = _Place(collection, owner.document_id, masterylog_id, position, partition)
                self._places[attempt_id] = place
                if collection == SESSIONS:
                    self._sizes_elsewhere.setdefault(place, attempt_size(attempt))
                choice.found[attempt_id] = self._attempts.get(attempt_id) or read_attempt(
                    attempt, masterylog_id=masterylog_id, **owner.inherited
                )

    async def past_attempts(
        self, summary: ContentSummaryLog, mastery_log: MasteryLog, limit: int | None
    ) -> list[AttemptLog]:
        """Return the attempts of a mastery log, latest start first: the order of `store.logs.attempts` from its end.

        Args:
            summary: read in this transaction with attempts.
            mastery_log: one of the summary's.
            limit: how many at most; None for all.
        """
        embedded = self._summaries[summary.id].attempts(mastery_log.id)
        attempts = joined((), embedded)[::-1]
        if mastery_log.attempt_count > len(embedded):
            since = attempts[limit - 1]["start_timestamp"] if limit is not None and 0 < limit <= len(attempts) else None
            buckets = self._overflow.recent(self._tx, summary.morango_partition, summary.id, mastery_log.id, since)
            by_number = sorted([bucket async for bucket in buckets], key=lambda bucket: str(bucket["_id"]))
            attempts = joined([attempt for bucket in by_number for attempt in bucket["attempts"]], embedded)[::-1]
        inherited = _Owner.of(summary).inherited
        return [read_attempt(document, masterylog_id=mastery_log.id, **inherited) for document in attempts[:limit]]

    def keep_start(self, start: Start) -> None:
        """Take over what a start made of the logs."""
        self._sessions[start.session.id] = OpenLog(start.session, None)
        if start.summary is not None:
            self._keep_summary(start.summary)

    def keep_update(self, update: Update) -> None:
        """Take over what a report made of the logs, which were read in this transaction."""
        self._sessions[update.session.id].log = update.session
        if update.summary is not None:
            self._keep_summary(update.summary)
        if update.attempts is not None:
            self._keep_attempts(update, update.attempts)

    def _keep_summary(self, summary: ContentSummaryLog) -> None:
        if summary.id in self._summaries:
            self._summaries[summary.id].log = summary
        else:
            self._summaries[summary.id] = OpenLog(summary, None)

    def _keep_attempts(self, update: Update, changes: AttemptChanges) -> None:
        for attempt_id, attempt in changes.changed.items():
            place = self._places[attempt_id]
            opened = self._opened(place)
            if opened is None:
                self._elsewhere[place] = attempt
            else:
                opened.replace(place.masterylog_id, place.position, attempt)
        for attempt in changes.created.values():
            if update.summary is not None and attempt.masterylog_id is not None:
                self._summaries[update.summary.id].add(attempt)
            else:
                self._sessions[update.session.id].add(attempt)
        self._attempts |= changes.changed | changes.created

    def _opened(self, place: _Place) -> OpenLog[Any] | None:
        """Return the log of this transaction whose list an attempt is in, None if it is in another document."""
        if place.collection == OVERFLOW:
            return None
        opened: dict[str, OpenLog[Any]] = {**self._sessions, **self._summaries}
        return opened.get(place.document_id)

    async def write(self) -> None:
        """Write all that was kept.

        Raises:
            AlreadyKept: an earlier run of this transaction was committed.
        """
        if self._tx.may_be_kept:
            await self._look_for_new_sessions()
        await self._read_full_summaries()
        writes: dict[str, list[Write]] = {OVERFLOW: [], SUMMARIES: [], SESSIONS: []}
        buckets: list[Document] = []
        opened: list[tuple[str, OpenLog[Any]]] = [(SUMMARIES, each) for each in self._summaries.values()]
        opened += [(SESSIONS, each) for each in self._sessions.values()]
        for collection, each in opened:
            mark = self._mark(each) if collection == SESSIONS else {}
            changes, made = each.writes(mark)
            writes[collection] += changes
            buckets += made
        self._write_elsewhere(writes)
        await self._overflow.insert(self._tx, buckets)
        for collection, changes in writes.items():
            if changes:
                await self._database[collection].bulk_write(changes, session=self._tx.session)

    async def _read_full_summaries(self) -> None:
        """Read the attempts of summaries from which some may have to move to a bucket."""
        full = [each.log for each in self._summaries.values() if each.needs_all_attempts]
        async for document in self._find(SUMMARIES, [LogKey(log.morango_partition, log.id) for log in full], None):
            self._summaries[document["_id"]].take_all_attempts(document)

    def _write_elsewhere(self, writes: dict[str, list[Write]]) -> None:
        """Add the writes of attempts in documents that were not read as logs of this transaction."""
        settings: dict[tuple[str, str, str], Document] = {}
        growth: Counter[tuple[str, str, str]] = Counter()
        for place, attempt in self._elsewhere.items():
            document = (place.collection, place.document_id, place.partition)
            setting = settings.setdefault(document, {"has_dirty": True})
            setting[f"attempts.{place.position}"] = changed = attempt_document(attempt)
            if place in self._sizes_elsewhere:  # buckets have no counter of bytes
                growth[document] += attempt_size(changed) - self._sizes_elsewhere[place]
        for (collection, document_id, partition), setting in settings.items():
            key = {"_id": document_id, "_morango_partition": partition}
            update: Document = {"$set": setting}
            if added := growth[collection, document_id, partition]:
                update["$inc"] = {"attempt_bytes": added}
            writes[collection].append(UpdateOne(key, update))

    def _mark(self, session: OpenLog[ContentSessionLog]) -> Document:
        """Return what to set so that a later run finds that this transaction was kept; see `_RECENT_ACTIONS`."""
        if self._database.traits.remembers_commits or session.document is None:
            return {}
        return {"recent_actions": [*session.document.get("recent_actions", ()), self._tx.id][-_RECENT_ACTIONS:]}

    async def _look_for_new_sessions(self) -> None:
        new = [each.log.id for each in self._sessions.values() if each.document is None]
        if new and await self._database[SESSIONS].find_one({"_id": {"$in": new}}, {"_id": 1}, session=self._tx.session):
            raise AlreadyKept
