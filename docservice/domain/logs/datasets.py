"""Finds the dataset that a log belongs to.

Rule: kolibri/core/logger/models.py, `infer_dataset` of the models.
"""

from __future__ import annotations

from dataclasses import dataclass

from docservice.errors import DirectoryIncomplete


@dataclass(frozen=True)
class KnownDatasets:
    """The datasets that the directory and the stored logs have for one log.

    Attributes:
        of_learner: dataset of the person whom the log names; None if there is no such person.
        of_parent: dataset of the content session of an attempt, or of the exam log of an exam attempt; None if there is
            no such log.
        of_default_facility: dataset of the default facility; None if there is no default.
        own_has_facility: whether a facility has the dataset that the log itself names.
    """

    of_learner: str | None = None
    of_parent: str | None = None
    of_default_facility: str | None = None
    own_has_facility: bool = False


def dataset_of_anonymous(own: str, known: KnownDatasets) -> str:
    """Return the dataset of a log without a learner.

    Args:
        own: the dataset that the log names, or an empty text.
        known: what is known around the log.

    Raises:
        DirectoryIncomplete: no facility has the log's own dataset, and there is no default facility.
    """
    if own and known.own_has_facility:
        return own
    return required(
        known.of_default_facility,
        "Anonymous logs belong to the default facility, and the directory has none. Import a directory first.",
    )


def required(dataset_id: str | None, message: str) -> str:
    """Return a dataset that has to be known.

    Raises:
        DirectoryIncomplete: it is not; `message` says what is missing.
    """
    if dataset_id is None:
        raise DirectoryIncomplete(message)
    return dataset_id
