"""A Kolibri's people, classes, assignments and content tree as records of the directory.

Passwords, in any form, are left out. Rule: kolibri/core/auth/models.py, exams/models.py, lessons/models.py,
courses/models.py, content/models.py, device/models.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from docservice.domain.directory.content_tree import ancestors_of, parents_to_read, told_ancestors
from docservice.domain.directory.records import SECTIONS, DirectoryRecord, FacilityUser
from docservice.domain.values.ids import is_hex_id
from docservice.domain.values.json_columns import column_value, storable
from docservice.errors import SettingsInvalid
from docservice.kolibri.assembling import ALTERED
from docservice.kolibri.facilities import whole_facilities
from docservice.kolibri.fitting import fitting_fields
from docservice.kolibri.home import KolibriHome, opened_tables
from docservice.kolibri.report import ImportReport
from docservice.kolibri.tables import Tables
from docservice.kolibri.values import plain
from docservice.store.database.port import Document

_CHUNK = 1000
_SECRETS = {"password", "picture_password", "last_login"}
_JSON_COLUMNS = {
    "ancestors",
    "assessment_item_ids",
    "extra_demographics",
    "extra_fields",
    "included_categories",
    "included_grade_levels",
    "mastery_model",
    "options",
    "picture_password_settings",
    "question_sources",
    "resources",
    "serialized_exam",
    "serialized_lesson",
}
_ASSESSMENT = ("contentnode_id", "assessment_item_ids", "number_of_assessments", "mastery_model", "randomize")
_COLLECTION_SECTIONS = {
    "facility": "facilities",
    "classroom": "classrooms",
    "learnergroup": "learnergroups",
    "adhoclearnersgroup": "adhoclearnersgroups",
}


@dataclass
class DirectoryBatch:
    """Some records of one kind.

    Attributes:
        label: what people call them.
        records: valid ones of one MongoDB collection.
        set_aside: documents for `import_set_aside`.
        report: what was read and set aside.
        default_facility: the facility that anonymous content sessions belong to, if this batch says so.
        partial_ids: of the records, or the default facility, that a device has for some learners only; see
            `domain.directory.partial_copies`.
    """

    label: str
    records: list[DirectoryRecord] = field(default_factory=list)
    set_aside: list[Document] = field(default_factory=list)
    report: ImportReport = field(default_factory=ImportReport)
    default_facility: str | None = None
    partial_ids: set[str] = field(default_factory=set)

    def take(self, section: str, fields: Mapping[str, Any]) -> None:
        """Add a record, or set it aside if it is not valid."""
        self.report.of(self.label).read += 1
        model = SECTIONS[section]
        held = {name: storable(value) for name, value in fields.items()}
        values, altered = fitting_fields({name: one.value for name, one in held.items()})
        altered += [name for name, one in held.items() if not one.is_exact]
        altered += _without_odd_ids(values)
        try:
            try:
                record = model.model_validate(values)
            except ValidationError as error:
                wrong = {str(each["loc"][0]) for each in error.errors(include_input=False) if each["loc"]}
                if not wrong or any(model.model_fields[name].is_required() for name in wrong & set(model.model_fields)):
                    raise
                # What the record can do without is no reason to do without the record.
                record = model.model_validate({name: value for name, value in values.items() if name not in wrong})
                altered += sorted(name for name in wrong if values.get(name) is not None)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            self._refuse(fields, f"{'.'.join(map(str, first['loc'])) or 'record'}: {first['msg']}")
            return
        self.records.append(record)
        for name in altered:
            self.report.altered[self.label, name] += 1
        if altered:
            self._keep(fields, ALTERED.format(columns=", ".join(altered)))

    def _refuse(self, fields: Mapping[str, Any], reason: str) -> None:
        self._keep(fields, reason)
        self.report.of(self.label).set_aside += 1
        self.report.reasons[self.label, reason] += 1

    def _keep(self, fields: Mapping[str, Any], reason: str) -> None:
        row = {
            name: plain(json.dumps(value, default=_text_of) if isinstance(value, (dict, list)) else value)
            for name, value in fields.items()
        }
        record_id = row.get("id")
        self.set_aside.append(
            {
                "_id": f"{self.label}:{record_id}",
                "model_name": self.label,
                "record_id": record_id,
                "_morango_partition": row.get("_morango_partition"),
                "reason": reason,
                "row": row,
            }
        )


def _without_odd_ids(values: dict[str, Any]) -> list[str]:
    """Take what is not an id out of the lists of those whom a record is for; return the names of these lists."""
    odd = []
    for name in ("assignments", "learner_ids"):
        ids = values.get(name)
        if isinstance(ids, list) and not all(map(is_hex_id, ids)):
            values[name] = [each for each in ids if is_hex_id(each)]
            odd.append(name)
    return odd


def _text_of(value: bytes) -> str:
    return value.decode(errors="replace")


def label_of(collection: str, record: Mapping[str, Any]) -> str:
    """Return what people call a record of the directory, or the records of a MongoDB collection if none is given."""
    if collection == "facility_collections":
        return _COLLECTION_SECTIONS.get(record.get("kind", ""), "collections")
    return {"facility_users": "users"}.get(collection, collection.replace("_", " "))


def directory_batches(home: KolibriHome) -> Iterator[DirectoryBatch]:
    """Yield all records of the directory, in an order in which each comes after what it names."""
    tables = home.tables
    yield from _plain(tables, "kolibriauth_facilitydataset", "datasets", "datasets")
    yield from _collections(tables)
    superusers = {row["user_id"] for row in _all(tables, "device_devicepermissions") if row.get("is_superuser")}
    users = _plain(
        tables, "kolibriauth_facilityuser", "users", "users", lambda row: {"is_superuser": row["id"] in superusers}
    )
    whole = whole_facilities(tables)
    for batch in users:
        people = (record for record in batch.records if isinstance(record, FacilityUser))
        batch.partial_ids = {user.id for user in people if user.dataset_id not in whole}
        yield batch
    yield from _plain(tables, "kolibriauth_role", "roles", "roles")
    yield from _plain(tables, "kolibriauth_membership", "memberships", "memberships")
    yield from _assigned(tables, "exams_exam", "exams", "exams_examassignment", "exam_id")
    yield from _individual(tables, "exams_individualsyncableexam", "exams_exam", "exams", "exam")
    yield from _assigned(tables, "lessons_lesson", "lessons", "lessons_lessonassignment", "lesson_id")
    yield from _individual(tables, "lessons_individualsyncablelesson", "lessons_lesson", "lessons", "lesson")
    yield from _assigned(
        tables, "courses_coursesession", "course_sessions", "courses_coursesessionassignment", "course_session_id"
    )
    yield from _default_facility(tables, whole)
    yield from _content(home)


def _plain(
    tables: Tables,
    table: str,
    section: str,
    label: str,
    more: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> Iterator[DirectoryBatch]:
    for rows in _chunks(tables, table):
        batch = DirectoryBatch(label)
        for row in rows:
            batch.take(section, {**row, **(more(row) if more else {})})
        yield batch


def _collections(tables: Tables) -> Iterator[DirectoryBatch]:
    for rows in _chunks(tables, "kolibriauth_collection"):
        for kind, section in _COLLECTION_SECTIONS.items():
            batch = DirectoryBatch(section)
            for row in rows:
                if row["kind"] == kind:
                    batch.take(section, row)
            if batch.report.counts:
                yield batch
        unknown = DirectoryBatch("collections")
        for row in rows:
            if row["kind"] not in _COLLECTION_SECTIONS:
                unknown.take("facilities", row)
        if unknown.report.counts:
            yield unknown


def _assigned(tables: Tables, table: str, section: str, assignments: str, key: str) -> Iterator[DirectoryBatch]:
    """Quizzes, lessons and courses with the collections that they are for."""
    for rows in _chunks(tables, table):
        ids = [row["id"] for row in rows]
        found: dict[str, list[str]] = {}
        for record_id, collection in tables.related(assignments, {key: "NULL", "collection_id": "NULL"}, key, ids):
            found.setdefault(record_id, []).append(collection)
        batch = DirectoryBatch(section.replace("_", " "))
        for row in rows:
            batch.take(section, {**row, "assignments": sorted(set(found.get(row["id"], ())), key=str)})
        yield batch


def _individual(tables: Tables, table: str, whole: str, section: str, name: str) -> Iterator[DirectoryBatch]:
    """Quizzes and lessons of a learner's own device, which has one learner's copy in place of the whole record."""
    known = {row[0] for rows in tables.chunks(whole, {"id": "NULL"}, _CHUNK) for row in rows}
    copies: dict[str, dict[str, Any]] = {}
    for row in _all(tables, table):
        record_id, serialized = row[f"{name}_id"], row[f"serialized_{name}"]
        if record_id not in known and isinstance(serialized, dict):
            copy = copies.setdefault(
                record_id,
                {
                    **_decoded({key: value for key, value in serialized.items() if not key.startswith("_")}, {}),
                    "id": record_id,
                    "collection_id": row["collection_id"],
                    "dataset_id": row["dataset_id"],
                    "active": True,
                    "assignments": [],
                    "learner_ids": [],
                },
            )
            copy["learner_ids"].append(row["user_id"])
    if copies:
        batch = DirectoryBatch(section)
        for fields in copies.values():
            batch.take(section, fields)
        batch.partial_ids = {record.id for record in batch.records}
        yield batch


def _default_facility(tables: Tables, whole: Collection[str]) -> Iterator[DirectoryBatch]:
    """The facility of anonymous visits; a partial one where the device has only some of its learners."""
    for settings in _all(tables, "device_devicesettings"):
        named = str(settings.get("default_facility_id"))
        columns = dict.fromkeys(("id", "dataset_id"), "NULL")
        for facility_id, dataset_id in tables.related("kolibriauth_collection", columns, "id", [named]):
            if is_hex_id(facility_id):
                partial_ids = set() if dataset_id in whole else {facility_id}
                yield DirectoryBatch("datasets", default_facility=facility_id, partial_ids=partial_ids)


def _content(home: KolibriHome) -> Iterator[DirectoryBatch]:
    yield from _content_tables(home.tables, skip=frozenset())
    known = frozenset(
        row[0] for rows in home.tables.chunks("content_channelmetadata", {"id": "NULL"}, _CHUNK) for row in rows
    )
    for file in home.channel_files:
        if file.stem in known:
            continue  # its channel is in the main database; there is nothing to copy it for
        try:
            with opened_tables(file, home.order) as tables:
                yield from _content_tables(tables, skip=known)
        except SettingsInvalid as error:
            # One damaged channel is no reason to go without the rest.
            batch = DirectoryBatch("channels")
            batch.report.notes.append(str(error))
            yield batch


def _content_tables(tables: Tables, skip: frozenset[str]) -> Iterator[DirectoryBatch]:
    for rows in _chunks(tables, "content_channelmetadata"):
        batch = DirectoryBatch("channels")
        for row in rows:
            if row["id"] not in skip:
                batch.take("channels", {name: value for name, value in row.items() if name != "thumbnail"})
        yield batch
    topics: dict[str, Mapping[str, Any]] = {}
    for rows in _chunks(tables, "content_contentnode"):
        nodes = [row for row in rows if row["channel_id"] not in skip]
        models = _assessments(tables, [node["id"] for node in nodes])
        _fill_ancestors(tables, nodes, topics)
        batch = DirectoryBatch("content nodes")
        for node in nodes:
            known = {name: value for name, value in node.items() if not name.endswith("_bitmask_0")}
            batch.take("content_nodes", {**known, **models.get(node["id"], {})})
        yield batch


def _fill_ancestors(tables: Tables, nodes: Sequence[dict[str, Any]], topics: dict[str, Mapping[str, Any]]) -> None:
    """Give nodes whose topics the Kolibri does not tell, or not readably, those that follow from their parents.

    Args:
        tables: where the nodes are from.
        nodes: changed in place.
        topics: nodes above others that were read before; more are added.
    """
    for node in nodes:
        node["ancestors"] = told_ancestors(node.get("ancestors"))
    level: Sequence[Mapping[str, Any]] = nodes
    while missing := parents_to_read(level, topics):
        columns = dict.fromkeys(("id", "title", "parent_id"), "NULL")
        rows = tables.related("content_contentnode", columns, "id", sorted(missing))
        found = {row[0]: {"title": row[1], "parent_id": row[2]} for row in rows}
        topics |= {node_id: found.get(node_id, {}) for node_id in missing}
        level = list(found.values())
    for node in nodes:
        node["ancestors"] = ancestors_of(node, topics)


def _assessments(tables: Tables, node_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what makes a node an exercise: its questions and when it counts as mastered."""
    columns = dict.fromkeys(_ASSESSMENT, "NULL")
    return {
        row[0]: {"assessment": _decoded(dict(zip(list(columns)[1:], row[1:], strict=True)), {"randomize": "bool"})}
        for row in tables.related("content_assessmentmetadata", columns, "contentnode_id", node_ids)
    }


def _all(tables: Tables, table: str) -> Iterator[dict[str, Any]]:
    for rows in _chunks(tables, table):
        yield from rows


def _chunks(tables: Tables, table: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a table by column, with booleans and JSON as such."""
    types = {name: kind for name, kind in tables.columns(table).items() if name not in _SECRETS}
    for rows in tables.chunks(table, dict.fromkeys(types, "NULL"), _CHUNK):
        yield [_decoded(dict(zip(types, row, strict=False)), types) for row in rows]


def _decoded(row: dict[str, Any], types: Mapping[str, str]) -> dict[str, Any]:
    for name, value in row.items():
        if types.get(name) == "bool" and isinstance(value, (int, float)):
            row[name] = bool(value)
        elif name in _JSON_COLUMNS:
            row[name] = column_value(value)
    return row
