"""Lists the records that a Kolibri has of its facilities, so that removed records can be found.

A record whose row cannot be read still exists, and what cannot be listed is not removed: a file without a table, or
one of a device that has only some learners of the facility, takes nothing away.
"""

from __future__ import annotations

from typing import Any

from docservice.domain.directory.withdrawal import FacilityRecords
from docservice.domain.values.ids import is_hex_id
from docservice.domain.values.json_columns import column_value
from docservice.kolibri.tables import Tables

_ROWS = 5000
_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "roles": (("kolibriauth_role", "id"),),
    "memberships": (("kolibriauth_membership", "id"),),
    "facility_users": (("kolibriauth_facilityuser", "id"),),
    "exams": (("exams_exam", "id"), ("exams_individualsyncableexam", "exam_id")),
    "lessons": (("lessons_lesson", "id"), ("lessons_individualsyncablelesson", "lesson_id")),
    "course_sessions": (("courses_coursesession", "id"),),
    "facility_collections": (("kolibriauth_collection", "id"),),
}
"""For each collection the columns that hold ids of its records; without the first table nothing is known of it."""


def held_facilities(tables: Tables) -> tuple[FacilityRecords, str]:
    """Return all that a Kolibri holds of its facilities, and what it does not hold as a whole.

    Returns:
        What it holds; a sentence where a facility, or every facility, is not held as a whole, else an empty text.
    """
    dataset_ids, reason = _whole_facilities(tables)
    record_ids: dict[str, frozenset[str]] = {}
    unknown: dict[str, str] = {}
    for kind, columns in _COLUMNS.items():
        first = columns[0][0]
        if first not in tables:
            unknown[kind] = f"the Kolibri has no table {first}"
            continue
        ids = [value for table, column in columns for (value,) in _rows(tables, table, column)]
        if all(map(is_hex_id, ids)):
            record_ids[kind] = frozenset(ids)
        else:
            unknown[kind] = f"not all ids in {first} can be read"
    return FacilityRecords(dataset_ids, record_ids, unknown), reason


def whole_facilities(tables: Tables) -> frozenset[str]:
    """Return the datasets of the facilities that a Kolibri holds as a whole, with all their learners."""
    return _whole_facilities(tables)[0]


def _whole_facilities(tables: Tables) -> tuple[frozenset[str], str]:
    if any(partial for (partial,) in _rows(tables, "device_devicesettings", "subset_of_users_device")):
        return frozenset(), "Nothing was withdrawn: this Kolibri has only some of the learners of its facility."
    datasets = {dataset_id for (dataset_id,) in _rows(tables, "kolibriauth_facilitydataset", "id")}
    collections = _rows(tables, "kolibriauth_collection", "dataset_id", "kind")
    facilities = datasets & {dataset_id for dataset_id, kind in collections if kind == "facility"}
    facilities = set(filter(is_hex_id, facilities))
    whole = frozenset(facilities - _synced_by_learner(tables))
    if not facilities:
        return whole, "Nothing was withdrawn: this Kolibri has no facility with its dataset."
    if not whole:
        return whole, "Nothing was withdrawn: this Kolibri has only some of the learners of its facility."
    if partial := len(facilities) - len(whole):
        return whole, (
            f"Nothing was withdrawn in {partial:,} of {len(facilities):,} facilities:"
            " this Kolibri has only some of their learners."
        )
    return whole, ""


def _synced_by_learner(tables: Tables) -> set[str]:
    """The datasets of which a Kolibri may sync single learners only, whatever its settings say.

    A device that holds a whole facility gets single learners of another one with `kolibri manage sync --user`; that
    changes no setting. Certificates say what a device may sync: it holds the private keys of its own.
    Rule: kolibri/core/device/utils.py (is_full_facility_import), morango/models/certificates.py.
    """
    datasets: dict[Any, set[str]] = {}
    columns = ("scope_definition_id", "scope_params", "private_key")
    for scope, parameters, private_key in _rows(tables, "morango_certificate", *columns):
        found = column_value(parameters)
        if private_key and isinstance(found, dict):
            datasets.setdefault(scope, set()).add(str(found.get("dataset_id")))
    return datasets.get("single-user", set()) - datasets.get("full-facility", set())


def _rows(tables: Tables, table: str, *columns: str) -> list[tuple[Any, ...]]:
    names = dict.fromkeys(columns, "NULL")
    return [row[: len(columns)] for rows in tables.chunks(table, names, _ROWS) for row in rows]
