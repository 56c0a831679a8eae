"""Ids: 32 lower-case hex characters, computed from partition, source id and model name.

Rule: morango, models/core.py (`calculate_uuid`) and kolibri/core/logger/models.py; vectors of a real device are in
`tests/data/morango-test-vectors.json`.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Literal

ID_PLACEHOLDER = "${id}"
"""Replaces the record's own id in a partition while that id is being computed (facility users)."""

_HEX_ID = re.compile(r"[0-9a-f]{32}")
_UNIT_TEST_NAMESPACE = uuid.UUID("7c9e4b1a-3d5f-4a8e-9c2b-6d0e1f2a3b4c")

TestType = Literal["pre", "post"]


def is_hex_id(value: object) -> bool:
    """Whether `value` is an id in the one form that is stored: 32 lower-case hex characters."""
    return isinstance(value, str) and _HEX_ID.fullmatch(value) is not None


def parse_uuid(value: str | int) -> str:
    """Any spelling of a UUID as 32 lower-case hex characters.

    Args:
        value: plain, dashed, upper case, in braces, `urn:uuid:...`, or the UUID's number.

    Raises:
        ValueError: `value` is not a UUID.

    Rule: rest_framework, fields.py, UUIDField, which Kolibri's `HexStringUUIDField` extends.
    """
    return (uuid.UUID(int=value) if isinstance(value, int) else uuid.UUID(hex=value)).hex


def id_of_uuid(value: object) -> str:
    """Return a UUID, as an object or as text in any spelling, as 32 lower-case hex characters.

    Raises:
        ValueError: `value` is neither; a number is not.
    """
    if isinstance(value, uuid.UUID):
        return value.hex
    if not isinstance(value, str):
        raise ValueError("a UUID is expected")
    return parse_uuid(value.strip())


def record_id(partition: str, source_id: str, model_name: str) -> str:
    """Return the id of a syncable record, the same on every device that makes it.

    Args:
        partition: the record's partition, with `ID_PLACEHOLDER` in place of the record's own id.
        source_id: see `calculate_source_id` of the models.
        model_name: Morango's name of the model, for example `attemptlog`.
    """
    return hashlib.sha256(f"{partition}::{source_id}::{model_name}".encode()).hexdigest()[:32]


def unit_test_content_id(course_session_id: str, unit_id: str, test_type: TestType) -> str:
    """Return the content id that all learners' logs of one pre- or post-test share.

    Rule: kolibri/core/logger/utils/pre_post_test.py.
    """
    return uuid.uuid5(_UNIT_TEST_NAMESPACE, f"{course_session_id}:{unit_id}:{test_type}").hex


def unit_test_version(user_id: str, course_session_id: str, unit_id: str, test_type: TestType) -> Literal["A", "B"]:
    """Return which of the two versions of a unit's test the learner gets; the post-test is always the other one.

    Rule: kolibri/core/logger/api.py: the last hex digit of an MD5 decides (even: the pre-test is A).
    """
    digest = hashlib.md5(f"{user_id}:{course_session_id}:{unit_id}".encode(), usedforsecurity=False).hexdigest()
    even = int(digest[-1], 16) % 2 == 0
    return "A" if even == (test_type == "pre") else "B"
