"""What is assigned to whom: quizzes, lessons and courses, to learners or to the classes and groups that they are in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from docservice.store.database.port import Database, Transaction, one_of

AssignedKind = Literal["exams", "lessons", "course_sessions"]


class Assignment(NamedTuple):
    """One record and one learner.

    Attributes:
        kind: what is assigned.
        record_id: of the exam, lesson or course session.
        user_id: the learner.
    """

    kind: AssignedKind
    record_id: str
    user_id: str


class Assigned:
    """Which of the assignments that were asked for exist."""

    def __init__(self, assignments: set[Assignment], active: set[tuple[AssignedKind, str]]) -> None:
        """Hold the assignments, and the records that are active."""
        self._assignments = assignments
        self._active = active

    def __contains__(self, assignment: Assignment) -> bool:
        """Whether the record is assigned to the learner."""
        return assignment in self._assignments

    def is_active(self, assignment: Assignment) -> bool:
        """Whether the record is active and assigned to the learner."""
        return assignment in self and (assignment.kind, assignment.record_id) in self._active


class AssignmentStore:
    """Reads assignments, one query a kind and one for memberships, however many are asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def assigned(self, tx: Transaction, wanted: Iterable[Assignment]) -> Assigned:
        """Which of some assignments exist: to the learner, or to a class or group with the learner as direct member."""
        pending: dict[tuple[str, str], list[Assignment]] = {}
        assigned: set[Assignment] = set()
        active: set[tuple[AssignedKind, str]] = set()
        by_kind: dict[AssignedKind, list[Assignment]] = {}
        for assignment in wanted:
            by_kind.setdefault(assignment.kind, []).append(assignment)
        for kind, assignments in by_kind.items():
            query = {"_id": one_of(assignment.record_id for assignment in assignments)}
            fields = {"assignments": 1, "learner_ids": 1, "active": 1}
            async for record in self._database[kind].find(query, fields, session=tx.session):
                if record.get("active"):
                    active.add((kind, record["_id"]))
                for assignment in assignments:
                    if assignment.record_id != record["_id"]:
                        continue
                    if assignment.user_id in record.get("learner_ids", ()):
                        assigned.add(assignment)
                    else:
                        for collection_id in record["assignments"]:
                            pending.setdefault((assignment.user_id, collection_id), []).append(assignment)
        if pending:
            query = {
                "user_id": one_of(user_id for user_id, _ in pending),
                "collection_id": {"$in": sorted({collection_id for _, collection_id in pending})},
            }
            fields = {"user_id": 1, "collection_id": 1}
            async for member in self._database["memberships"].find(query, fields, session=tx.session):
                assigned.update(pending.get((member["user_id"], member["collection_id"]), ()))
        return Assigned(assigned, active)
