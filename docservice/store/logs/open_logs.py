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
from docservice.store.database.port import Document
from docservice.store.database.writes import InsertOne, UpdateOne, Write
from docservice.store.logs.overflow import AttemptList, attempt_lists_of, buckets_for, plan_move, too_many
from docservice.store.mapping.log_documents import (
    attempt_document,
    attempt_size,
    mastery_document,
    session_document,
    stored_name,
    stored_value,
    summary_document,
)

Log = TypeVar("Log", ContentSessionLog, ContentSummaryLog)

_EMBEDDED = {"mastery_logs", "attempts"}


class OpenLog(Generic[Log]):
    """A content session or a summary in a transaction.

    The lists of embedded attempts are part of the document and not of the model: an action looks at few attempts, and
    making models of all of them would cost more than the rest of it.

    Attributes:
        log: as it is now, without its attempts. To change it, put another model in its place.
        document: as it was read; None if the log is new.
    """

    def __init__(self, log: Log, document: Document | None) -> None:
        """Open a log.

        Args:
            log: as it was read, or new.
            document: what it was read from; None if the log is new.
        """
        self.log: Log = log
        self.document = document
        self._log_as_read: Log = log
        self._lists = {each.masterylog_id: each for each in attempt_lists_of(document or {})}
        self._attempt_bytes: int = (document or {}).get("attempt_bytes", 0)
        self._added = 0
        self._attempt_settings: Document = {}

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
        """The embedded attempts of a mastery log (None: the loose ones of a session), as they are now."""
        found = self._lists.get(masterylog_id)
        return found.attempts if found else []

    def add(self, attempt: AttemptLog) -> int:
        """Embed a new attempt at the end of its list; its position there."""
        found = self._list(attempt.masterylog_id)
        position = len(found.attempts)
        self._put(found, position, attempt)
        self._added += 1
        return position

    def replace(self, masterylog_id: str | None, position: int, attempt: AttemptLog) -> None:
        """Put an attempt in the place of an embedded one."""
        found = self._list(masterylog_id)
        self._attempt_bytes -= attempt_size(found.attempts[position])
        self._put(found, position, attempt)

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

    def _put(self, into: AttemptList, position: int, attempt: AttemptLog) -> None:
        document = attempt_document(attempt)
        self._attempt_bytes += attempt_size(document)
        into.attempts[position : position + 1] = [document]
        self._attempt_settings[f"{into.path}.{position}"] = document

    def writes(self, also: Document) -> tuple[list[Write], list[Document]]:
        """What makes the stored log the one that it is now: a write, or none; and new buckets of moved attempts.

        Args:
            also: fields to set besides, if anything is written.
        """
        if self.document is None:
            # Whoever reports attempts knows the session from an answer: it was committed by an earlier transaction.
            return [InsertOne(_document(self.log))], []
        setting = _changed(self._log_as_read, self.log)
        if isinstance(self.log, ContentSummaryLog) and isinstance(self._log_as_read, ContentSummaryLog):
            setting |= _changed_masteries(self._log_as_read, self.log)
        made: list[Document] = []
        if self._attempt_settings:
            attempts, made = self._attempt_changes(self.document)
            setting |= attempts
        if not setting:
            return [], []
        key = {"_id": self.log.id, "_morango_partition": self.log.morango_partition}
        return [UpdateOne(key, {"$set": {**setting, **also, "has_dirty": True}})], made

    def _attempt_changes(self, stored: Document) -> tuple[Document, list[Document]]:
        """What to set so that the document holds the new and changed attempts, and buckets for the oldest ones."""
        setting = dict(self._attempt_settings)
        made: list[Document] = []
        loose = self._lists.get(None)
        if loose is not None:
            setting["loose_attempt_count"] = stored.get("loose_attempt_count", 0) + self._added
            if "attempts" not in stored:  # a session has no list before its first loose attempt
                setting = {"attempts": loose.attempts, "loose_attempt_count": setting["loose_attempt_count"]}
        lists = list(self._lists.values())
        attempt_bytes = self._attempt_bytes
        if too_many(lists, attempt_bytes):
            move = plan_move(lists, attempt_bytes)
            sequence = stored.get("overflow_buckets", 0)
            made = buckets_for(stored, move.moved, sequence)
            replaced = {kept.path for kept in move.kept}
            setting = {path: value for path, value in setting.items() if not _below(path, replaced)}
            setting |= {kept.path: kept.attempts for kept in move.kept}
            setting["overflow_buckets"] = sequence + len(made)
            attempt_bytes = move.attempt_bytes
        setting["attempt_bytes"] = attempt_bytes
        return setting, made


def _document(log: ContentSessionLog | ContentSummaryLog) -> Document:
    return summary_document(log) if isinstance(log, ContentSummaryLog) else session_document(log)


def _changed(before: SyncableLog, after: SyncableLog) -> Document:
    """The fields to set. Rules replace values and never change them in place: a field that is the same object is."""
    return {
        stored_name(name): stored_value(name, getattr(after, name))
        for name in type(after).model_fields
        if name not in _EMBEDDED and getattr(after, name) is not getattr(before, name)
    }


def _changed_masteries(before: ContentSummaryLog, after: ContentSummaryLog) -> Document:
    setting: Document = {}
    for number, log in enumerate(after.mastery_logs):
        path = f"mastery_logs.{number}"
        if number >= len(before.mastery_logs):
            setting[path] = mastery_document(log)
        elif log is not before.mastery_logs[number]:
            changed = _changed(before.mastery_logs[number], log)
            setting |= {f"{path}.{name}": value for name, value in changed.items()}
    return setting


def _below(path: str, lists: set[str]) -> bool:
    return any(path == each or path.startswith(each + ".") for each in lists)
