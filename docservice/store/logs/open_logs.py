"""One stored log while the actions of a transaction work on it: as it was read, as it is now, and what to write."""

from __future__ import annotations

from typing import Generic, TypeVar

from docservice.domain.logs.content_logs import (
    AttemptLog,
    ContentSessionLog,
    ContentSummaryLog,
    MasteryLog,
    SyncableLog,
)
from docservice.domain.logs.schema import SCHEMAS
from docservice.store.database.port import Document
from docservice.store.database.writes import InsertOne, UpdateOne, Write
from docservice.store.logs.overflow import (
    EMBEDDED_ATTEMPTS,
    EMBEDDED_BYTES,
    AttemptList,
    attempt_lists_of,
    buckets_for,
    move_oldest,
    plan_move,
    too_many,
)
from docservice.store.mapping.counters import attempt_size
from docservice.store.mapping.log_documents import (
    attempt_document,
    mastery_document,
    session_document,
    stored_value,
    summary_document,
)

Log = TypeVar("Log", ContentSessionLog, ContentSummaryLog)


class OpenLog(Generic[Log]):
    """A content session or a summary in a transaction.

    The lists of embedded attempts are part of the document and not of the model: an action looks at few attempts, and
    making models of all of them would cost more than the rest of it. An action that only adds attempts does not even
    read those that are there.

    Attributes:
        log: as it is now, without its attempts. To change it, put another model in its place.
        document: as it was read; None if the log is new.
        whole: whether the document was read with its embedded attempts.
    """

    def __init__(self, log: Log, document: Document | None, *, whole: bool = True) -> None:
        """Open a log.

        Args:
            log: as it was read, or new.
            document: what it was read from; None if the log is new.
            whole: see the class.
        """
        self.log: Log = log
        self.document = document
        self.whole = whole
        self._log_as_read: Log = log
        self._lists = {each.masterylog_id: each for each in attempt_lists_of(document or {})}
        self._attempt_bytes: int = (document or {}).get("attempt_bytes", 0)
        self._added: list[tuple[str | None, Document]] = []
        self._changed: dict[tuple[str | None, int], Document] = {}

    @property
    def stored(self) -> Document:
        """The document as it was read.

        Raises:
            RuntimeError: the log is new.
        """
        if self.document is None:
            raise RuntimeError("A new log has no stored document.")
        return self.document

    def attempts(self, masterylog_id: str | None) -> list[Document]:
        """Return the embedded attempts of a mastery log (None: the loose ones of a session), as they are now."""
        attempt_list = self._lists.get(masterylog_id)
        return attempt_list.attempts if attempt_list else []

    def add(self, attempt: AttemptLog) -> None:
        """Embed a new attempt at the end of its list."""
        document = attempt_document(attempt)
        self._attempt_bytes += attempt_size(document)
        self._list(attempt.masterylog_id).attempts.append(document)
        self._added.append((attempt.masterylog_id, document))

    def replace(self, masterylog_id: str | None, position: int, attempt: AttemptLog) -> None:
        """Put an attempt in the place of an embedded one."""
        document, attempts = attempt_document(attempt), self._list(masterylog_id).attempts
        self._attempt_bytes += attempt_size(document) - attempt_size(attempts[position])
        attempts[position] = document
        self._changed[masterylog_id, position] = document

    def _list(self, masterylog_id: str | None) -> AttemptList:
        if masterylog_id in self._lists:
            return self._lists[masterylog_id]
        if masterylog_id is None:
            path = "attempts"
        else:
            masteries: list[MasteryLog] = self.log.mastery_logs if isinstance(self.log, ContentSummaryLog) else []
            number = [log.id for log in masteries].index(masterylog_id)
            path = f"mastery_logs.{number}.attempts"
        return self._lists.setdefault(masterylog_id, AttemptList(path, masterylog_id, []))

    @property
    def needs_all_attempts(self) -> bool:
        """Whether some attempts may have to move to a bucket, and those that are stored were not read."""
        return not self.whole and bool(self._added) and self._may_be_full()

    def _may_be_full(self) -> bool:
        """Whether there may be too many embedded attempts, as far as the counters tell."""
        if self._attempt_bytes > EMBEDDED_BYTES:
            return True
        total = (
            sum(log.attempt_count for log in self.log.mastery_logs) if isinstance(self.log, ContentSummaryLog) else 0
        )
        return self._passes_a_mark(total) if self._has_buckets else total > EMBEDDED_ATTEMPTS

    def _passes_a_mark(self, total: int) -> bool:
        """Whether the added attempts bring the number of all attempts, moved ones too, to the next half of the limit.

        Nothing says how many of them are embedded. When half of the limit is left free at each such mark, the limit
        is kept between two marks.
        """
        half = EMBEDDED_ATTEMPTS // 2
        return total // half != (total - len(self._added)) // half

    @property
    def _has_buckets(self) -> bool:
        return bool((self.document or {}).get("overflow_buckets"))

    def take_all_attempts(self, document: Document) -> None:
        """Take over the document with its embedded attempts, read in the same transaction."""
        self.document, self.whole = document, True
        self._lists = {each.masterylog_id: each for each in attempt_lists_of(document)}
        for masterylog_id, attempt in self._added:
            self._list(masterylog_id).attempts.append(attempt)

    def writes(self, also: Document) -> tuple[list[Write], list[Document]]:
        """Return what makes the stored log the one that it is now: a write, or none; and new buckets of moved attempts.

        Args:
            also: fields to set besides, if anything is written.
        """
        if self.document is None:
            return self._insertion()
        setting = _changed(self._log_as_read, self.log)
        if isinstance(self.log, ContentSummaryLog) and isinstance(self._log_as_read, ContentSummaryLog):
            setting |= _changed_masteries(self._log_as_read, self.log)
        pushing: Document = {}
        made: list[Document] = []
        if self._added or self._changed:
            attempts, pushing, made = self._attempt_changes(self.document)
            for path, value in attempts.items():
                _set(setting, path, value)
        if not setting:
            return [], []
        key = {"_id": self.log.id, "_morango_partition": self.log.morango_partition}
        update: Document = {"$set": {**setting, **also, "has_dirty": True}}
        if pushing:
            update["$push"] = {path: {"$each": attempts} for path, attempts in pushing.items()}
        return [UpdateOne(key, update)], made

    def _insertion(self) -> tuple[list[Write], list[Document]]:
        document = summary_document(self.log) if isinstance(self.log, ContentSummaryLog) else session_document(self.log)
        made: list[Document] = []
        if self._added:
            # A front end that reports attempts got the session in a response; its summary may have been deleted since
            # then, and started again by another action of this transaction.
            for each in self._lists.values():
                _set(document, each.path, each.attempts)
            document["attempt_bytes"] = self._attempt_bytes
            made = move_oldest(document)
        return [InsertOne(document)], made

    def _attempt_changes(self, stored: Document) -> tuple[Document, Document, list[Document]]:
        """Return what to set and to push so that the document holds its attempts, and buckets for the oldest ones."""
        setting: Document = {"attempt_bytes": self._attempt_bytes}
        loose = self._lists.get(None)
        if loose is not None:
            added = sum(masterylog_id is None for masterylog_id, _ in self._added)
            setting["loose_attempt_count"] = stored.get("loose_attempt_count", 0) + added
        lists = list(self._lists.values())
        if self.whole and (too_many(lists, self._attempt_bytes) or (self._has_buckets and self._may_be_full())):
            move = plan_move(lists, self._attempt_bytes)
            sequence = stored.get("overflow_buckets", 0)
            made = buckets_for(stored, move.moved, sequence)
            setting |= {"attempt_bytes": move.attempt_bytes, "overflow_buckets": sequence + len(made)}
            moved = {kept.masterylog_id: kept.attempts for kept in move.kept}
        else:
            made, moved = [], {}
        setting |= {self._lists[masterylog_id].path: attempts for masterylog_id, attempts in moved.items()}
        for (masterylog_id, position), attempt in self._changed.items():
            if masterylog_id not in moved:
                setting[f"{self._lists[masterylog_id].path}.{position}"] = attempt
        pushing: Document = {}
        for masterylog_id, attempt in self._added:
            if masterylog_id not in moved:
                path = self._lists[masterylog_id].path
                if masterylog_id is None or self._is_stored(masterylog_id, stored):
                    pushing.setdefault(path, []).append(attempt)
                else:
                    setting.setdefault(path, []).append(attempt)
        # One statement cannot change an item of a list and add one.
        for masterylog_id, position in self._changed:
            path = self._lists[masterylog_id].path
            if path in pushing:
                setting.pop(f"{path}.{position}", None)
                setting[path] = self._lists[masterylog_id].attempts
        return setting, {path: added for path, added in pushing.items() if path not in setting}, made

    def _is_stored(self, masterylog_id: str, stored: Document) -> bool:
        return any(log["id"] == masterylog_id for log in stored["mastery_logs"])


def _set(into: Document, path: str, value: object) -> None:
    """Set a value in a document or in the settings of an update, inside of what is set there already."""
    names = path.split(".")
    for length in range(1, len(names)):
        parent = into.get(".".join(names[:length]))
        if parent is not None:
            for name in names[length:-1]:
                parent = parent[int(name) if isinstance(parent, list) else name]
            parent[names[-1]] = value
            return
    into[path] = value


def _changed(old: SyncableLog, new: SyncableLog) -> Document:
    """The fields to set. Rules replace values and never change them in place: a field that is the same object is."""
    values, before = vars(new), vars(old)
    return {
        field.stored: stored_value(field, values[field.name])
        for field in SCHEMAS[type(new)].own
        if values[field.name] is not before[field.name]
    }


def _changed_masteries(old: ContentSummaryLog, new: ContentSummaryLog) -> Document:
    setting: Document = {}
    for number, log in enumerate(new.mastery_logs):
        path = f"mastery_logs.{number}"
        if number >= len(old.mastery_logs):
            setting[path] = mastery_document(log)
        elif log is not old.mastery_logs[number]:
            changed = _changed(old.mastery_logs[number], log)
            setting |= {f"{path}.{name}": value for name, value in changed.items()}
    return setting
