"""User sessions: when and on which device a learner used the app.

Rule: kolibri/core/logger/models.py, UserSessionLog.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from docservice import errors
from docservice.domain.logs.content_logs import HexId, SyncableLog, Timestamp
from docservice.domain.values.devices import LONGEST_DEVICE_INFO

LONGEST_BREAK = timedelta(minutes=5)
"""After a longer break than this a new user session starts."""


class UserSessionLog(SyncableLog):
    """One user session of one learner.

    Attributes:
        channels: always empty; Kolibri has the field and does not use it.
        pages: always empty, like `channels`.
        last_interaction_timestamp: when the learner was last seen; None only in records from elsewhere.
        device_info: system and browser at its start, `Ubuntu,/Firefox,121`; not changed later.
    """

    model_name = "usersessionlog"
    DoesNotExist = errors.UserSessionLogDoesNotExist
    MultipleObjectsReturned = errors.MultipleUserSessionLogsReturned

    user_id: HexId
    channels: str = ""
    start_timestamp: Timestamp
    last_interaction_timestamp: Timestamp | None = None
    pages: str = ""
    device_info: Annotated[str, Field(max_length=LONGEST_DEVICE_INFO)] | None = None


def current_user_session(
    latest: UserSessionLog | None,
    *,
    dataset_id: str,
    user_id: str,
    device_info: str,
    now: datetime,
    random_source_id: str,
) -> UserSessionLog:
    """Return the user session of a learner who is active now: the latest one, extended, or a new one.

    Args:
        latest: the learner's user session with the latest interaction; None if all are over.
        dataset_id: the learner's.
        user_id: the learner.
        device_info: of a new user session.
        now: UTC, milliseconds.
        random_source_id: of a new user session, 32 hex characters.

    Returns:
        `latest` with a later end (the same id), or a new log. A latest interaction that is later than `now`, as a
        device with a wrong clock records it, is taken back to `now`.
    """
    last = latest.last_interaction_timestamp if latest else None
    if latest is not None and last is not None and now - last <= LONGEST_BREAK:
        return latest.model_copy(update={"last_interaction_timestamp": now, "morango_dirty_bit": True})
    return UserSessionLog(
        dataset_id=dataset_id,
        user_id=user_id,
        start_timestamp=now,
        last_interaction_timestamp=now,
        device_info=device_info[:LONGEST_DEVICE_INFO],
    ).identified(random_source_id)
