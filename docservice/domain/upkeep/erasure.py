"""What of each collection belongs to a person, and what is left of it when the person is erased.

An erasure begins with a tombstone: a keyed digest of the person's id, with times and counts and nothing personal. From
then on, each writer of people or logs leaves out what belongs to that person. The account is closed and its rights go
in the same transaction; then logs, control records and files are removed, and the account itself last, so that an
erasure that was interrupted can still be repeated by the username. Documents of others that name the person lose the
name and stay: a quiz goes on without the coach who made it, although Kolibri would remove it, too (`on_delete=CASCADE`
of `creator` and `created_by`, in kolibri/core/exams/models.py and lessons/models.py), because the answers of other
learners belong to it.

The key is kept beside the tombstones, in the database: every service and command that uses the database has to know
it, or it would let erased people come back, and a secret that signs tokens may be changed at any time. So a digest
hides a person from who reads a backup or a receipt, and not from who has the database and already knows the id.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import ValidationError

from docservice.domain.directory.records import DirectoryRecord, FacilityUser, Membership, Role
from docservice.domain.values.ids import is_hex_id

ERASED = "erased"
"""What a longer text has in the place of the id of an erased person."""

KEY_PREFIX = "key "
"""What the `_id` of a key begins with; that of a tombstone is 64 hex characters."""

_KEY_ID_LENGTH = 16
_ID_LENGTH = 32
_ANY_ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class ErasureRule:
    """What an erasure does with one collection.

    Attributes:
        owners: the fields that name the person whose document it is; such documents are removed.
        mentions: whether other documents are searched for the person: `always`; `if-thorough`: only on request,
            because there may be very many and nothing of ours writes people there; `never`: nobody is in them.
        of_facility: the documents, and the files that they tell of, are about a whole facility, and are removed if the
            person was in it.
    """

    owners: tuple[str, ...] = ()
    mentions: Literal["always", "if-thorough", "never"] = "if-thorough"
    of_facility: bool = False


_LOG = ErasureRule(("user_id",))
_ASSIGNED = ErasureRule(mentions="always")

RULES: Mapping[str, ErasureRule] = {
    "roles": ErasureRule(("user_id",)),
    "memberships": ErasureRule(("user_id",)),
    "exams": _ASSIGNED,
    "lessons": _ASSIGNED,
    "course_sessions": _ASSIGNED,
    "facility_collections": _ASSIGNED,
    "facility_datasets": _ASSIGNED,
    "content_summary_logs": _LOG,
    "content_session_logs": _LOG,
    "exam_logs": _LOG,
    "user_session_logs": _LOG,
    "attempt_overflow": _LOG,
    "idempotency_keys": ErasureRule(("user_ids",), mentions="never"),
    "user_session_turns": ErasureRule(("_id",), mentions="never"),
    "password_hashes": ErasureRule(("_id",), mentions="never"),
    "web_sessions": ErasureRule(("user_id",), mentions="never"),
    "sign_in_links": ErasureRule(("user_id",), mentions="never"),
    "sign_in_failures": ErasureRule(mentions="never"),  # digests that name nobody, for minutes
    "import_set_aside": ErasureRule(("row.user_id", "record_id"), mentions="always"),
    "csv_exports": ErasureRule(mentions="never", of_facility=True),
    "csv_log_requests": _ASSIGNED,
    "device_settings": _ASSIGNED,
    "generated_data_sets": _ASSIGNED,
    "directory_turns": ErasureRule(mentions="never"),
    "erased_people": ErasureRule(mentions="never"),
    "content_nodes": ErasureRule(),
    "channels": ErasureRule(),
    "facility_users": ErasureRule(("_id",)),
}
"""Every collection of the service, in the order in which an erasure goes through them; the account comes last."""

RIGHTS = ("roles", "memberships")
"""What goes together with the tombstone, in one transaction: from then on the person may do nothing."""

ACCOUNT = "facility_users"


def person_digest(key: str, user_id: str) -> str:
    """Return the keyed digest of a person's id: HMAC-SHA256, 64 hex characters.

    Args:
        key: hex characters.
        user_id: 32 hex characters.
    """
    return hmac.new(bytes.fromhex(key), user_id.encode(), hashlib.sha256).hexdigest()


def key_id(key: str) -> str:
    """Return the name of a key, which tells nothing of it."""
    return hashlib.sha256(bytes.fromhex(key)).hexdigest()[:_KEY_ID_LENGTH]


def closed_account(account: Mapping[str, Any], now: Any) -> dict[str, Any]:
    """Return an account that is being erased: it counts as deleted, and only its username is left to find it by."""
    kept = {name: account[name] for name in ("_id", "username", "dataset_id", "facility_id") if name in account}
    return {**kept, "full_name": "", "is_superuser": False, "date_deleted": now}


@lru_cache(maxsize=64)
def _spellings(user_id: str) -> re.Pattern[str]:
    """Return a pattern of all ways to write an id: plain or with dashes, in upper or lower case."""
    parts = (user_id[:8], user_id[8:12], user_id[12:16], user_id[16:20], user_id[20:])
    return re.compile("-?".join(parts), re.IGNORECASE)


def mentions(value: Any, user_id: str) -> bool:
    """Whether a document, or a value in one, names a person by id anywhere: in keys, values, or inside texts."""
    if isinstance(value, str):
        return _spellings(user_id).search(value) is not None
    if isinstance(value, Mapping):
        return any(mentions(name, user_id) or mentions(child, user_id) for name, child in value.items())
    if isinstance(value, (list, tuple)):
        return any(mentions(child, user_id) for child in value)
    return False


def without_person(value: Any, user_id: str) -> Any:
    """Return a value that does not name a person any more.

    A list loses the entry, a field becomes null, a key goes with its value, and a longer text has `erased` in the place
    of the id.
    """
    if not mentions(value, user_id):
        return value
    pattern = _spellings(user_id)
    if isinstance(value, str):
        return None if pattern.fullmatch(value) else pattern.sub(ERASED, value)
    if isinstance(value, Mapping):
        kept = ((name, child) for name, child in value.items() if not mentions(name, user_id))
        return {name: without_person(child, user_id) for name, child in kept}
    named = (child for child in value if not (isinstance(child, str) and pattern.fullmatch(child)))
    return [without_person(child, user_id) for child in named]


def ids_within(value: Any) -> Iterator[str]:
    """Yield every id in a value, in whichever spelling, also inside texts; an id may come several times."""
    if isinstance(value, str):
        if is_hex_id(value):
            yield value
        elif len(value) >= _ID_LENGTH:
            yield from (found.replace("-", "").lower() for found in _ANY_ID.findall(value))
    elif isinstance(value, Mapping):
        for name, child in value.items():
            yield from ids_within(name)
            yield from ids_within(child)
    elif isinstance(value, (list, tuple)):
        for child in value:
            yield from ids_within(child)


def owners_of(collection: str, document: Mapping[str, Any]) -> set[str]:
    """Return the ids of the people whose document it is."""
    found: set[str] = set()
    for path in RULES[collection].owners:
        value: Any = document
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        found |= {each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)}
    return found


def named_people(record: DirectoryRecord) -> set[str]:
    """Return the ids in a record that may be of people; none for content, which names nobody."""
    if record.references().anywhere:
        return set()
    return set(ids_within(record.model_dump()))


def records_without(records: Iterable[DirectoryRecord], erased: set[str]) -> list[DirectoryRecord | None]:
    """Return records as they may be written: None for those of erased people, others without their ids.

    Args:
        records: of the directory.
        erased: ids of people.
    """
    return [_record_without(record, erased) for record in records]


def _record_without(record: DirectoryRecord, erased: set[str]) -> DirectoryRecord | None:
    named = named_people(record) & erased if erased else set()
    if not named:
        return record
    if isinstance(record, FacilityUser) and record.id in named:
        return None
    if isinstance(record, (Membership, Role)) and record.user_id in named:
        return None
    fields = record.model_dump()
    for user_id in named:
        fields = without_person(fields, user_id)
    try:
        return type(record).model_validate(fields)
    except ValidationError:
        return None  # the id is in a field that the record cannot be without


def document_without(collection: str, document: Mapping[str, Any], erased: set[str]) -> dict[str, Any] | None:
    """Return a document as it may be written: None if it belongs to an erased person, else without their ids.

    Args:
        collection: one of `RULES`.
        document: as it is stored.
        erased: ids of people.
    """
    if owners_of(collection, document) & erased:
        return None
    found = dict(document)
    if RULES[collection].mentions == "always":
        for user_id in erased:
            found = without_person(found, user_id)
    return found
