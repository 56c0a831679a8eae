"""A facility with many visits, made in an instant: for exports of many rows."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

LEARNERS = 600
CONTENTS = 2000
DATASET, FACILITY, CHANNEL = "d" * 32, "f" * 32, "c" * 32
_BEGAN = datetime(2024, 9, 2, tzinfo=UTC)


def directory() -> dict[str, Any]:
    """A facility, its learners, and a channel with topics and contents."""
    nodes = [
        {
            "id": f"{number:031x}e",
            "content_id": f"{number:032x}",
            "channel": CHANNEL,
            "title": f"Exercise {number}",
            "kind": "exercise",
            "level": 3,
            "lft": number,
            "ancestors": [{"id": CHANNEL, "title": title} for title in ("Channel", "Mathematics", f"{number % 40}")],
        }
        for number in range(CONTENTS)
    ]
    learners = [
        {"id": f"{number:032x}", "username": f"learner{number}", "dataset": DATASET, "facility": FACILITY}
        for number in range(LEARNERS)
    ]
    return {
        "datasets": [{"id": DATASET}],
        "facilities": [{"id": FACILITY, "name": "School", "dataset": DATASET}],
        "users": learners,
        "channels": [{"id": CHANNEL, "name": "Channel"}],
        "content_nodes": nodes,
    }


def session(number: int) -> dict[str, Any]:
    """A visit as an import writes it."""
    user, content = f"{number % LEARNERS:032x}", number % CONTENTS
    began = _BEGAN + timedelta(minutes=number, milliseconds=number % 1000)
    recorded = f"{began:%Y-%m-%d %H:%M:%S}.{number % 1000:03d}293(Africa/Nairobi)"
    return {
        "_id": hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest(),
        "dataset_id": DATASET,
        "user_id": user,
        "visitor_id": None,
        "content_id": f"{content:032x}",
        "channel_id": CHANNEL,
        "start_timestamp": began,
        "end_timestamp": began,
        "time_spent": number / 7,
        "progress": 0.5,
        "kind": "exercise",
        "extra_fields": {"context": {"node_id": f"{content:031x}e", "mastery_level": 1}},
        "_morango_source_id": f"{number:032x}",
        "_morango_partition": f"{DATASET}:user-rw:{user}",
        "_morango_dirty_bit": False,
        "_recorded": {"start_timestamp": recorded, "end_timestamp": recorded},
        "has_dirty": False,
        "schema_version": 1,
    }
