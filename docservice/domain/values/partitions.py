"""Partitions: the text that decides to which devices a record may be synced.

`<dataset>:user-rw:<user>` for a learner's logs, `<dataset>:anonymous` without a user, `<dataset>` for exam logs.
Rule: kolibri/core/logger/models.py, `calculate_partition` of the models.
"""

from __future__ import annotations

from docservice.errors import FieldError, ValidationFailed


def log_partition(dataset_id: str, user_id: str | None) -> str:
    """Return the partition of a session, summary, mastery, attempt or user session log."""
    return f"{dataset_id}:anonymous" if user_id is None else f"{dataset_id}:user-rw:{user_id}"


def exam_log_partition(dataset_id: str) -> str:
    """Return the partition of exam logs and exam attempt logs, which a whole facility shares."""
    return dataset_id


def prefix_range(prefix: str) -> tuple[str, str]:
    """Return the half-open range of texts that start with `prefix`: first one in it, first one after it.

    A range uses an index on every engine; an anchored regular expression does not.
    """
    if not prefix:
        raise ValueError("an empty prefix has no end")
    return prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)


def infer_dataset_id(dataset_id: str | None, inferred: str) -> str:
    """Return the dataset a log belongs to: that of its learner, session or default facility.

    Args:
        dataset_id: the dataset id that the record names itself, if it does.
        inferred: the one that follows from the learner (or session, or default facility).

    Raises:
        ValidationFailed: both are there and differ.

    Rule: kolibri/core/auth/models.py, AbstractFacilityDataModel.ensure_dataset.
    """
    if dataset_id is not None and dataset_id != inferred:
        raise ValidationFailed(
            [FieldError(("dataset_id",), "invalid", "The dataset is not the one that the record belongs to.")]
        )
    return inferred
