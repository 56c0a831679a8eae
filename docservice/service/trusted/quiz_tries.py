"""The tries at quizzes of some learners, read for an export, each try once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from docservice.domain.exports.quiz_tries import (
    QuizTry,
    exam_log_try,
    migrated_try,
    numbered_quiz_tries,
    stored_try,
)
from docservice.domain.logs.migrated_quizzes import QUIZ, is_migrated
from docservice.store.database.port import Document
from docservice.store.exports.tables import TableReads

NumberedTries = list[tuple[int, QuizTry]]


class QuizTries:
    """Joins the summaries of quizzes with the exam logs of the same learners.

    A try that is in an exam log and in a mastery log belongs to the facility of the mastery log, any other try to the
    facility of the log that holds it.
    """

    def __init__(self, reads: TableReads, dataset_id: str, exam_logs: Sequence[Document]) -> None:
        self._reads = reads
        self._dataset_id = dataset_id
        self._exam_logs: dict[tuple[str, str], list[Document]] = {}
        for log in exam_logs:
            self._exam_logs.setdefault((log["user_id"], log["exam_id"]), []).append(log)
        self._migrated: set[tuple[str, str]] = set()

    @classmethod
    async def read(cls, reads: TableReads, dataset_id: str, user_ids: Sequence[str]) -> QuizTries:
        """Read the exam logs of some learners, and which of them were copied into mastery logs."""
        exam_logs = await reads.exam_logs(user_ids)
        tries = cls(reads, dataset_id, exam_logs)
        if exam_logs:
            async for summary in reads.quiz_summaries(user_ids, {log["exam_id"] for log in exam_logs}):
                if any(is_migrated(summary, log) for log in summary.get("mastery_logs", ())):
                    tries._migrated.add((summary["user_id"], summary["content_id"]))
        return tries

    @property
    def exam_ids(self) -> set[str]:
        """The quizzes of the exam logs."""
        return {exam_id for _, exam_id in self._exam_logs}

    async def of_summaries(self, summaries: Collection[Document]) -> dict[str, NumberedTries]:
        """Return the tries of summaries of quizzes, with those that only exam logs of the facility hold, by summary.

        Args:
            summaries: of the facility, with their tries; attempts in them are not looked at.
        """
        copied = {summary["_id"] for summary in summaries for log in _tries(summary) if is_migrated(summary, log)}
        attempts = await self._reads.attempts_of_tries(copied) if copied else {}
        by_summary = {}
        for summary in summaries:
            key = summary["user_id"], summary["content_id"]
            tries = []
            for log in _tries(summary):
                if is_migrated(summary, log):
                    tries.append(migrated_try(log, attempts.get(log["id"], ()), self._exam_logs.get(key, ())))
                else:
                    tries.append(stored_try(log))
            by_summary[summary["_id"]] = list(numbered_quiz_tries([*tries, *self._take(key)]))
        return by_summary

    def without_summary(self) -> Iterator[tuple[str, str, NumberedTries]]:
        """Yield the learner, the quiz and the tries of exam logs of the facility that `of_summaries` has not joined."""
        for key in list(self._exam_logs):
            tries = self._take(key)
            if tries:
                yield *key, list(numbered_quiz_tries(tries))

    def _take(self, key: tuple[str, str]) -> list[QuizTry]:
        """Return the tries that only exam logs of the facility hold; they come once."""
        if key in self._migrated:
            return []
        logs = self._exam_logs.pop(key, ())
        return [exam_log_try(log) for log in logs if log["dataset_id"] == self._dataset_id]


def of_quizzes(summaries: Sequence[Document]) -> list[Document]:
    """Return the summaries that are of quizzes."""
    return [summary for summary in summaries if summary["kind"] == QUIZ]


def _tries(summary: Document) -> Sequence[Document]:
    tries: Sequence[Document] = summary.get("mastery_logs", ())
    return tries
