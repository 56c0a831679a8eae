"""Lists of the directory beside those of a real Kolibri."""

from __future__ import annotations

import json
from typing import Any

from docservice import DocService, Principal
from tests.conftest import DATA


async def test_lists_are_those_of_a_kolibri(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """Coaches and learners see the records that a Kolibri 0.19.5 shows them. A learner's classes, groups and lessons
    are not in these lists there: its learners get them by other routes."""
    kolibri = json.loads((DATA / "vectors" / "directory-reading.json").read_text(encoding="utf-8"))["lists"]
    ids = recorded_directory["ids"]
    names_of = {record_id: name for name, record_id in ids.items()}
    compared = 0
    for actor, lists in kolibri.items():
        for section, expected in lists.items():
            if "learner" in actor and section in ("classrooms", "learnergroups", "lessons"):
                continue
            logs = service.acting_as(Principal(ids[actor]))
            listed = [each async for each in logs.directory_records(section)]
            match section:
                case "memberships":
                    found = [f"{names_of[m['user_id']]}/{names_of.get(m['collection_id'], 'ad hoc')}" for m in listed]
                case "roles":
                    found = [f"{names_of[r['user_id']]}/{names_of[r['collection_id']]}/{r['kind']}" for r in listed]
                case _:
                    found = [names_of[each["id"]] for each in listed]

            assert sorted(found) == expected, (actor, section)
            compared += len(expected)
    assert compared > 100
