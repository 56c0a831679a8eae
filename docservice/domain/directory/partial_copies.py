"""Records of a device that has only some of the learners of a facility, beside what is stored of the facility.

Such a device holds a copy of each quiz and lesson for one learner at a time, and its own superuser is often one of its
learners, who is a learner and nothing more to the facility.
Rule: kolibri/core/device/tasks.py (provisiondevice), exams/models.py and lessons/models.py (IndividualSyncable…).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docservice.domain.directory.records import DirectoryRecord, Exam, FacilityUser, Lesson


def beside_stored(record: DirectoryRecord, stored: Mapping[str, Any] | None) -> DirectoryRecord | None:
    """Return a record of such a device as it is to be stored; None where the stored one says more.

    Args:
        record: a person, a quiz or a lesson of the device.
        stored: the document with its id, if there is one.
    """
    if isinstance(record, FacilityUser):
        return record.model_copy(update={"is_superuser": bool(stored and stored.get("is_superuser"))})
    if stored is None or not isinstance(record, (Exam, Lesson)):
        return record
    learner_ids = stored.get("learner_ids") or []
    if stored.get("assignments") or not learner_ids:
        return None
    added = [user_id for user_id in record.learner_ids if user_id not in learner_ids]
    return record.model_copy(update={"learner_ids": [*learner_ids, *added]})
