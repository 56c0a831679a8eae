"""Makes a query from a read scope and filters: the only place where a list gets its scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docservice.domain.requests.lists import LogFilters
from docservice.store.database.reads import Conditions
from docservice.store.directory.people import PeopleStore, Readable


@dataclass(frozen=True)
class Selection:
    """Whose logs a list holds.

    Attributes:
        user_ids: of these people; None: of everybody, anonymous visitors too unless `signed_in`.
        dataset_id: of this facility's dataset; None: of any.
        signed_in: leave out anonymous visitors.
    """

    user_ids: frozenset[str] | None = None
    dataset_id: str | None = None
    signed_in: bool = False

    @property
    def empty(self) -> bool:
        """Whether no log can match."""
        return self.user_ids is not None and not self.user_ids

    def covers(self, other: Selection) -> bool:
        """Whether all logs that another selection can have are in this one."""
        return (
            (self.user_ids is None or (other.user_ids is not None and other.user_ids <= self.user_ids))
            and self.dataset_id in (None, other.dataset_id)
            and (other.signed_in or not self.signed_in or other.user_ids is not None)
        )

    def admits(self, document: Mapping[str, Any]) -> bool:
        """Whether a document that was found by its id is one of them."""
        user_id = document["user_id"]
        return (
            (self.user_ids is None or user_id in self.user_ids)
            and (self.dataset_id is None or document["dataset_id"] == self.dataset_id)
            and not (self.signed_in and user_id is None)
        )

    def query(self) -> dict[str, Any]:
        """Return the conditions on `user_id` and `dataset_id`, each of them the start of an index."""
        query: dict[str, Any] = {}
        if self.user_ids is not None:
            users = sorted(self.user_ids)
            query["user_id"] = users[0] if len(users) == 1 else {"$in": users}
        elif self.signed_in:
            query["user_id"] = {"$gt": ""}
        if self.dataset_id is not None:
            query["dataset_id"] = self.dataset_id
        return query

    def conditions(self, **more: Any) -> Conditions:
        """What documents have to fit that are selected and fit more conditions; those that leave least are indexed."""
        conditions = self.query() | more
        if "mastery_logs.id" in more:
            leads = {"mastery_logs.id"}
        elif self.user_ids is None:
            leads = {"dataset_id", "content_id", "loose_attempt_count"}
        elif len(self.user_ids) == 1:
            leads = {"user_id", "content_id", "loose_attempt_count"}
        else:
            leads = {"user_id"}
        return Conditions(
            {name: value for name, value in conditions.items() if name in leads},
            {name: value for name, value in conditions.items() if name not in leads},
        )


NOBODY = Selection(user_ids=frozenset())


async def select(people: PeopleStore, readable: Readable, filters: LogFilters) -> Selection:
    """Whose logs are left when the filters narrow what may be read."""
    if readable.nothing:
        return NOBODY
    allowed = [] if readable.everything or readable.dataset_id else [readable.user_ids]
    dataset_id, signed_in = readable.dataset_id, False
    if filters.user is not None:
        allowed.append(frozenset({filters.user}))
    if filters.classroom is not None:
        allowed.append(frozenset(await people.members_of_classes([filters.classroom])))
    if filters.learner_group is not None:
        allowed.append(frozenset(await people.members([filters.learner_group])))
    if filters.facility is not None:
        facility_dataset = await people.facility_dataset(filters.facility)
        if facility_dataset is None or dataset_id not in (None, facility_dataset):
            return NOBODY
        dataset_id, signed_in = facility_dataset, True
    users = frozenset.intersection(*allowed) if allowed else None
    return Selection(users, dataset_id, signed_in)
