"""Recognizes mastery logs that Kolibri made from exam logs, in an upgrade from 0.14 or a sync with such a device.

Rule: kolibri/core/logger/utils/exam_log_migration.py (migrate_from_exam_logs).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

QUIZ = "quiz"


def migrated_level(exam_id: str) -> int:
    """The mastery level of a mastery log that Kolibri made of an exam log: the last nine decimal digits of the id."""
    return int(str(int(exam_id, 16))[-9:])


def is_migrated(summary: Mapping[str, Any], mastery_log: Mapping[str, Any]) -> bool:
    """Whether Kolibri made a mastery log of an exam log.

    One summary has at most one such mastery log, and it belongs to the exam log of the same learner and quiz. The level
    is compared, and not the id: the copy is in the dataset to which the learner belonged at the time of the upgrade.
    """
    return bool(summary["kind"] == QUIZ and mastery_log["mastery_level"] == migrated_level(summary["content_id"]))
