"""Rules for records of the directory: records that no Kolibri could hold are refused.

A record is judged by what would be stored with it: what it names has to be there, of the right kind and of the same
dataset, and nothing else may hold what only one can. A record that changes may not leave stored records behind that
become impossible by it. What a Kolibri merely avoids is not refused: a learner of a group
who is not in its class can result from a sync of devices.
Rule: kolibri/core/auth/models.py (`infer_dataset`, `validate_membership`, `validate_role`, `unique_together`,
Facility, Classroom and LearnerGroup `save`) and serializers.py (FacilityUserSerializer.validate), exams/models.py,
lessons/models.py, courses/models.py (`pre_save` of assignments); auth/api.py takes the facility of a dataset to be one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from docservice.domain.directory.records import (
    Collection,
    ContentNode,
    CourseSession,
    DirectoryRecord,
    Exam,
    FacilityUser,
    Lesson,
    Membership,
    Role,
)

PARENT_KINDS = {"classroom": "facility", "learnergroup": "classroom", "adhoclearnersgroup": "classroom"}
"""Of each kind of collection that has a parent, the kind of that."""

Step = str | int


class RuleViolation(NamedTuple):
    """Why a record is impossible.

    Attributes:
        path: its field, and the position in it.
        message: what is wrong, in a sentence; names no value.
        missing: whether what the field names is not there at all.
    """

    path: tuple[Step, ...]
    message: str
    missing: bool = False


class CollectionFacts(NamedTuple):
    """What the rules ask of a collection."""

    kind: str
    dataset_id: str


@dataclass
class ReferencedIds:
    """Ids that records name.

    Attributes:
        datasets: of facilities.
        collections: facilities, classes and groups.
        users: people.
        nodes: parents of content nodes.
    """

    datasets: set[str] = field(default_factory=set)
    collections: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)


@dataclass
class RelatedRecords:
    """The records that other records name, stored or about to be.

    Attributes:
        datasets: ids.
        collections: by id.
        users: the dataset of each person.
        parents: the parent of each content node; None: it has none.
    """

    datasets: set[str] = field(default_factory=set)
    collections: dict[str, CollectionFacts] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)


def referenced_ids(records: Iterable[DirectoryRecord]) -> ReferencedIds:
    """Return the ids that records name, which have to exist."""
    ids = ReferencedIds()
    for record in records:
        if isinstance(record, ContentNode):
            ids.nodes |= {record.parent_id} if record.parent_id else set()
            continue
        references = record.references()
        ids.datasets |= set(references.dataset_ids)
        ids.collections |= set(references.collection_ids)
        ids.users |= set(references.user_ids)
    return ids


def checked_part(record: DirectoryRecord) -> Hashable:
    """The part of a record that the rules look at: a stored record whose part stays as it is may be written again."""
    parents = (record.parent_id,) if isinstance(record, ContentNode) else ()
    kind = record.kind if isinstance(record, (Collection, Role)) else None
    return (record.references(), unique_key(record), kind, parents)


def referenced_part(record: DirectoryRecord) -> Hashable | None:
    """Return what of a record the records that name it depend on; None if nothing depends on it."""
    match record:
        case Collection():
            return (record.kind, record.dataset_id)
        case FacilityUser():
            return record.dataset_id
    return None


def folded_username(username: str) -> str:
    """Return a user name as Kolibri compares it: without regard to the case of the letters A to Z, as SQLite does."""
    return username.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def unique_key(record: DirectoryRecord) -> tuple[str, ...] | None:
    """Return what only one record may hold; None for records that hold nothing alone.

    A deleted account holds its name no longer.
    """
    match record:
        case Collection():
            return ("facility", record.dataset_id) if record.kind == "facility" else None
        case FacilityUser():
            deleted = (record.model_extra or {}).get("date_deleted")
            return None if deleted else ("user", record.facility_id, folded_username(record.username))
        case Membership():
            return ("membership", record.user_id, record.collection_id)
        case Role():
            return ("role", record.user_id, record.collection_id, record.kind)
    return None


_TWICE = {
    "facility": (("dataset_id",), "Another facility has this dataset; each has its own."),
    "user": (("username",), "Another account of the facility has this username; upper and lower case are the same."),
    "membership": (("collection_id",), "Another membership says that the person is in this collection."),
    "role": (("kind",), "The person has this role for this collection by another record."),
}


def left_behind(record: DirectoryRecord, flaw: RuleViolation) -> RuleViolation:
    """Return what is wrong with a record whose change would make a stored record impossible that names it.

    Args:
        record: the stored one.
        flaw: what would be wrong with it.
    """
    field = "kind" if flaw.path[0] in ("parent_id", "facility_id", "kind") else "dataset_id"
    what = record.collection_name.replace("_", " ")
    return RuleViolation(
        (field,), f"Stored {what} that name this record would be impossible: {flaw.message} Change them, too."
    )


def taken(key: Sequence[str]) -> RuleViolation:
    """Return what is wrong with a record whose key another record holds."""
    path, message = _TWICE[key[0]]
    return RuleViolation(path, message)


def violations(record: DirectoryRecord, related: RelatedRecords) -> Iterator[RuleViolation]:
    """Yield what is wrong with a record, given the records that it names. Unique keys are not checked here."""
    match record:
        case Collection():
            yield from _collection(record, related)
        case FacilityUser():
            facility = related.collections.get(record.facility_id)
            if facility is None or facility.kind != "facility":
                yield RuleViolation(("facility_id",), "There is no such facility.", missing=facility is None)
            elif facility.dataset_id != record.dataset_id:
                yield RuleViolation(("dataset_id",), "This is not the dataset of the facility.")
        case Membership() | Role():
            yield from _in_collection(record, related)
        case Exam() | Lesson() | CourseSession():
            yield from _assigned(record, related)
        case ContentNode():
            if _is_in_circle(record, related):
                yield RuleViolation(("parent_id",), "The node is below itself.")


def _collection(record: Collection, related: RelatedRecords) -> Iterator[RuleViolation]:
    wanted = PARENT_KINDS.get(record.kind)
    if record.dataset_id not in related.datasets:
        yield RuleViolation(("dataset_id",), "There is no such dataset.", missing=True)
    if wanted is None:
        if record.parent_id is not None:
            yield RuleViolation(("parent_id",), "A facility has no parent.")
        return
    parent = related.collections.get(record.parent_id or "")
    if parent is None or parent.kind != wanted:
        message = f"The parent of a {record.kind} is a {wanted}, and there is none with this id."
        yield RuleViolation(("parent_id",), message, missing=parent is None)
    elif parent.dataset_id != record.dataset_id:
        yield RuleViolation(("dataset_id",), "This is not the dataset of the parent.")


def _in_collection(record: Membership | Role, related: RelatedRecords) -> Iterator[RuleViolation]:
    dataset_id, collection = related.users.get(record.user_id), related.collections.get(record.collection_id)
    if dataset_id is None:
        yield RuleViolation(("user_id",), "There is no such person.", missing=True)
    if collection is None:
        yield RuleViolation(("collection_id",), "There is no such collection.", missing=True)
        return
    if isinstance(record, Membership) and collection.kind == "facility":
        yield RuleViolation(("collection_id",), "People belong to a facility by their account, not by a membership.")
    if isinstance(record, Role) and collection.kind not in ("facility", "classroom"):
        yield RuleViolation(("collection_id",), "Roles are for a facility or a class.")
    if isinstance(record, Role) and collection.kind == "classroom" and record.kind != "coach":
        yield RuleViolation(("kind",), "The only role for a class is coach.")
    if dataset_id is not None and dataset_id != collection.dataset_id:
        yield RuleViolation(("collection_id",), "The collection is of another facility than the person.")


def _assigned(record: Exam | Lesson | CourseSession, related: RelatedRecords) -> Iterator[RuleViolation]:
    own = related.collections.get(record.collection_id)
    if own is None:
        yield RuleViolation(("collection_id",), "There is no such collection.", missing=True)
    for position, collection_id in enumerate(record.assignments):
        collection = related.collections.get(collection_id)
        if collection is None:
            yield RuleViolation(("assignments", position), "There is no such collection.", missing=True)
        elif own is not None and collection.dataset_id != own.dataset_id:
            yield RuleViolation(("assignments", position), "The collection is of another facility.")
    for position, user_id in enumerate([] if isinstance(record, CourseSession) else record.learner_ids):
        dataset_id = related.users.get(user_id)
        if dataset_id is None:
            yield RuleViolation(("learner_ids", position), "There is no such person.", missing=True)
        elif own is not None and dataset_id != own.dataset_id:
            yield RuleViolation(("learner_ids", position), "The person is of another facility.")


def _is_in_circle(record: ContentNode, related: RelatedRecords) -> bool:
    seen = set[str]()
    above = record.parent_id
    while above is not None and above not in seen:
        if above == record.id:
            return True
        seen.add(above)
        above = related.parents.get(above)
    return False


def add_to(related: RelatedRecords, records: Iterable[DirectoryRecord]) -> None:
    """Add records, in place of those with the same ids."""
    for record in records:
        match record:
            case Collection():
                related.collections[record.id] = CollectionFacts(record.kind, record.dataset_id)
            case FacilityUser():
                related.users[record.id] = record.dataset_id
            case ContentNode():
                related.parents[record.id] = record.parent_id
            case _ if record.collection_name == "facility_datasets":
                related.datasets.add(record.id)
