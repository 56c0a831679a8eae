"""Attempts wherever they stand: embedded in a summary or a session, or in an overflow bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from docservice.domain.logs.content_logs import AttemptLog, MasteryLog
from docservice.domain.requests.tracking import Interaction
from docservice.domain.tracking.interactions import AttemptChanges, selecting
from docservice.store.database.port import Collection, Database, Document, Transaction
from docservice.store.logs.overflow import OverflowStore, Shelf, buckets, plan_spill, shelves_of, too_many
from docservice.store.mapping.log_documents import attempt_document, attempt_size, inherited_fields, read_attempt

SESSIONS = "content_session_logs"
SUMMARIES = "content_summary_logs"


@dataclass(frozen=True)
class Place:
    """Where an attempt is stored: which collection, which document, which position in which list."""

    collection: str
    document_id: str
    path: str
    position: int


@dataclass
class Located:
    """Attempts that interactions may choose, and where each is stored."""

    attempts: list[AttemptLog] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)

    def add(self, attempt: AttemptLog, place: Place) -> None:
        """Note an attempt, once."""
        if attempt.id not in self.places:
            self.attempts.append(attempt)
            self.places[attempt.id] = place


class AttemptStore:
    """Finds attempts for an update and writes what the update made of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._overflow = OverflowStore(database)

    async def of_try(
        self, tx: Transaction, summary: Document, log: MasteryLog, interactions: Sequence[Interaction]
    ) -> Located:
        """The attempts of a try that the interactions may choose.

        Args:
            tx: the transaction's session.
            summary: the summary's document with its embedded attempts.
            log: the try, one of the summary's.
            interactions: validated.
        """
        ids, items = _wanted(interactions)
        number = next(n for n, mastery in enumerate(summary["mastery_logs"]) if mastery["id"] == log.id)
        located = Located()
        embedded = summary["mastery_logs"][number]["attempts"]
        inherited = {**inherited_fields(summary), "masterylog_id": log.id}
        for position, document in enumerate(embedded):
            if document["id"] in ids or document["item"] in items:
                place = Place(SUMMARIES, summary["_id"], f"mastery_logs.{number}.attempts", position)
                located.add(read_attempt(document, **inherited), place)
        if log.attempt_count > len(embedded):
            missing = ids - set(located.places)
            await self._locate_overflow(tx, summary, log.id, missing, items, located)
        return located

    async def loose(self, tx: Transaction, session: Document, interactions: Sequence[Interaction]) -> Located:
        """The attempts without a try that interactions of a visit may choose.

        By id they may belong to any visit of the same learner (or of any anonymous visitor); by item to any visit of
        the learner, but only to this one of an anonymous visitor.
        """
        ids, items = _wanted(interactions)
        located = Located()
        _locate_in_session(session, ids, items, located)
        partition = session["_morango_partition"]
        missing = ids - set(located.places)
        anonymous = session["user_id"] is None
        for key, wanted in (("attempts.id", missing), ("attempts.item", set() if anonymous else items)):
            if wanted:
                query = {"_morango_partition": partition, key: {"$in": sorted(wanted)}}
                async for other in self._database[SESSIONS].find(query, session=tx.session):
                    _locate_in_session(other, ids, items, located)
        own = session["_id"] if anonymous else None
        missing = ids - set(located.places)
        await self._locate_overflow(tx, session, None, missing, set(), located)
        if not anonymous or session.get("overflow_buckets"):
            await self._locate_overflow(tx, session, None, set(), items, located, log_id=own)
        return located

    async def _locate_overflow(
        self,
        tx: Transaction,
        owner: Document,
        masterylog_id: str | None,
        ids: set[str],
        items: set[str],
        located: Located,
        *,
        log_id: str | None = None,
    ) -> None:
        partition = owner["_morango_partition"]
        async for bucket in self._overflow.holding(
            tx, partition, masterylog_id, ids=sorted(ids), items=sorted(items), log_id=log_id
        ):
            inherited = inherited_fields(bucket)
            for position, document in enumerate(bucket["attempts"]):
                if document["id"] in ids or document["item"] in items:
                    attempt = read_attempt(document, masterylog_id=masterylog_id, **inherited)
                    located.add(attempt, Place("attempt_overflow", bucket["_id"], "attempts", position))

    async def recent(self, tx: Transaction, summary: Document, log: MasteryLog, limit: int | None) -> list[AttemptLog]:
        """The attempts of a try, latest start first.

        Args:
            tx: the transaction's session.
            summary: the summary's document with its embedded attempts.
            log: the try, one of the summary's.
            limit: how many; None for all.
        """
        embedded: list[Document] = next((m["attempts"] for m in summary["mastery_logs"] if m["id"] == log.id), [])
        found = _latest_first(embedded)
        if log.attempt_count > len(embedded):
            since = found[limit - 1]["start_timestamp"] if limit is not None and 0 < limit <= len(found) else None
            moved: list[Document] = []
            partition = summary["_morango_partition"]
            async for bucket in self._overflow.recent(tx, partition, summary["_id"], log.id, since):
                moved += bucket["attempts"]
            found = _latest_first([*moved, *embedded])
        inherited = {**inherited_fields(summary), "masterylog_id": log.id}
        return [read_attempt(document, **inherited) for document in found[:limit]]

    async def write_elsewhere(
        self, tx: Transaction, partition: str, own_id: str, changes: AttemptChanges, located: Located
    ) -> None:
        """Write changed attempts that stand in other documents than the ones that are being saved anyway."""
        by_document: dict[tuple[str, str], dict[int, Document]] = {}
        for attempt_id, attempt in changes.changed.items():
            place = located.places[attempt_id]
            if place.document_id != own_id:
                by_document.setdefault((place.collection, place.document_id), {})[place.position] = attempt_document(
                    attempt
                )
        for (collection, document_id), attempts in by_document.items():
            if collection == SESSIONS:
                await self._write_session_attempts(tx, self._database[SESSIONS], partition, document_id, attempts)
            else:
                await self._overflow.set_attempts(tx, partition, document_id, attempts)

    async def _write_session_attempts(
        self, tx: Transaction, sessions: Collection, partition: str, document_id: str, attempts: Mapping[int, Document]
    ) -> None:
        changes: Document = {f"attempts.{position}": attempt for position, attempt in attempts.items()}
        await sessions.update_one(
            {"_id": document_id, "_morango_partition": partition},
            {"$set": {**changes, "has_dirty": True}},
            session=tx.session,
        )

    async def embedded_changes(
        self, tx: Transaction, owner: Document, path: str, changes: AttemptChanges, located: Located
    ) -> Document:
        """What to `$set` in a document so that it holds the new and changed attempts; moves old ones to buckets.

        Args:
            tx: the transaction's session.
            owner: the document as it was read.
            path: the list that takes the new attempts, `attempts` or `mastery_logs.<n>.attempts`.
            changes: what the interactions did.
            located: where the changed attempts stand.
        """
        shelves = shelves_of(owner)
        home = next((shelf for shelf in shelves if shelf.path == path), None)
        if home is None:
            home = Shelf(path, None, [])
            shelves.append(home)
        attempt_bytes = owner.get("attempt_bytes", 0)
        setting: Document = {}
        for attempt_id, attempt in changes.changed.items():
            place = located.places[attempt_id]
            if place.document_id == owner["_id"]:
                document = attempt_document(attempt)
                shelf = next(shelf for shelf in shelves if shelf.path == place.path)
                attempt_bytes += attempt_size(document) - attempt_size(shelf.attempts[place.position])
                shelf.attempts[place.position] = document
                setting[f"{place.path}.{place.position}"] = document
        for attempt in changes.created.values():
            document = attempt_document(attempt)
            attempt_bytes += attempt_size(document)
            setting[f"{path}.{len(home.attempts)}"] = document
            home.attempts.append(document)
        if path == "attempts":
            setting["loose_attempt_count"] = owner.get("loose_attempt_count", 0) + len(changes.created)
            if home.attempts and "attempts" not in owner:
                # A session has no list before its first loose attempt.
                setting = {"attempts": home.attempts, "loose_attempt_count": setting["loose_attempt_count"]}
        if too_many(shelves, attempt_bytes):
            spill = plan_spill(shelves, attempt_bytes)
            made = buckets(owner, spill.moved, owner.get("overflow_buckets", 0))
            await self._overflow.insert(tx, made)
            spilled = {shelf.path for shelf in spill.kept}
            setting = {key: value for key, value in setting.items() if not _below(key, spilled)}
            setting |= {shelf.path: shelf.attempts for shelf in spill.kept}
            setting["overflow_buckets"] = owner.get("overflow_buckets", 0) + len(made)
            attempt_bytes = spill.attempt_bytes
        setting["attempt_bytes"] = attempt_bytes
        return setting


def _wanted(interactions: Sequence[Interaction]) -> tuple[set[str], set[str]]:
    first = selecting(interactions)
    ids = {interaction.id for interaction in first if interaction.id is not None}
    items = {interaction.item for interaction in first if interaction.replace and interaction.id is None}
    return ids, items


def _locate_in_session(session: Document, ids: set[str], items: set[str], located: Located) -> None:
    inherited = inherited_fields(session)
    for position, document in enumerate(session.get("attempts", ())):
        if document["id"] in ids or document["item"] in items:
            attempt = read_attempt(document, masterylog_id=None, **inherited)
            located.add(attempt, Place(SESSIONS, session["_id"], "attempts", position))


def _latest_first(attempts: Iterable[Document]) -> list[Document]:
    # Of attempts with the same start, the one stored later comes first.
    by_age = sorted(enumerate(attempts), key=lambda entry: (entry[1]["start_timestamp"], entry[0]), reverse=True)
    return [attempt for _, attempt in by_age]


def _below(key: str, paths: set[str]) -> bool:
    return any(key == path or key.startswith(path + ".") for path in paths)
