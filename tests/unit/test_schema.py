"""The schema describes every field of every log exactly once, and what it does not describe goes nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice.domain.answers.shown_fields import shown_paths
from docservice.domain.logs.content_logs import BaseAttemptLog, SyncableLog
from docservice.domain.logs.exam_logs import ExamLog
from docservice.domain.logs.record_schema import Counted, FieldRole, LogSchema, StoredField, counter
from docservice.domain.logs.schema import DOCUMENTS, EXAM_LOG, OVERFLOW_BUCKET, SCHEMAS, undescribed
from docservice.domain.requests.document_pages import FieldChoice
from docservice.kolibri.merging import merged
from docservice.kolibri.records import TABLES
from docservice.kolibri.report import ImportReport
from docservice.store.indexes.applying import described
from docservice.store.indexes.views import described_views
from docservice.store.mapping.counters import counters
from docservice.store.mapping.log_documents import log_document, read_log
from docservice.store.mapping.public_json import shown
from docservice.store.mapping.schema import BACKED_UP, LEFT_OUT, OURS, OVERFLOW
from docservice.store.transfer.document_checks import CHECKS
from docservice.testing import School

EVERY = list(SCHEMAS.values())
NAMES = [schema.model.__name__ for schema in EVERY]
MOMENT = datetime(2024, 9, 2, tzinfo=UTC)


class LaterExamLog(ExamLog):
    """An exam log as a later version of the service may have it."""

    later: int = 0


def classes(model: type[SyncableLog]) -> Iterator[type[SyncableLog]]:
    """The classes of logs below one."""
    for below in model.__subclasses__():
        yield below
        yield from classes(below)


def kind_of(name: str, schema: dict[str, Any]) -> str:
    """What kind of values a field has, by pydantic's own description of it."""
    [part, *_] = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    if name == "id" or "pattern" in part:
        return "id"
    if part.get("format") == "date-time":
        return "time"
    if len(schema.get("anyOf", ())) > 2:
        return "json"
    if part["type"] == "array":
        return "records" if "$ref" in part["items"] else "history"
    if part["type"] == "object":
        return "texts" if part["additionalProperties"] == {"type": "string"} else "json"
    return str({"string": "text"}.get(part["type"], part["type"]))


def with_later_fields(schema: LogSchema[Any], record: dict[str, Any]) -> dict[str, Any]:
    """A stored record in which, at every level, is a field that the schema does not describe."""
    found = {**record, "later": 1}
    if schema.embeds is not None:
        items = record.get(schema.embeds.field, [])
        found[schema.embeds.field] = [with_later_fields(schema.embeds.record, item) for item in items]
    return found


def stored_documents() -> list[tuple[LogSchema[Any], dict[str, Any]]]:
    """A document of each kind, with records in all of its lists."""
    school = School()
    session = school.content_session_log(content="exercise")
    attempt = school.content_summary_log().mastery_logs[0].attempts[0]
    loose = attempt.model_copy(update={"masterylog_id": None})
    logs = {
        "ContentSummaryLog": school.content_summary_log(),
        "ContentSessionLog": session.model_copy(update={"attempts": [loose]}),
        "UserSessionLog": school.user_session_log(),
        "ExamLog": school.exam_log(),
    }
    return [(schema, log_document(schema, logs[schema.model.__name__])) for schema in DOCUMENTS]


STORED = stored_documents()
STORED_NAMES = [schema.model.__name__ for schema, _ in STORED]


@pytest.mark.parametrize("schema", EVERY, ids=NAMES)
def test_each_field_of_a_model_is_described_once(schema: LogSchema[Any]) -> None:
    """The fields of the class are those of the schema, under the name of the class's alias or their own."""
    of_model = [field for field in schema.fields if field.in_model]

    assert sorted(field.name for field in of_model) == sorted(schema.model.model_fields)
    for field in of_model:
        named = schema.model.model_fields[field.name].alias or field.name
        assert field.stored == ("_id" if field.role is FieldRole.KEY and not schema.is_embedded else named)
    beside = {field.name for field in schema.fields if not field.in_model}
    assert not beside & set(schema.model.model_fields)


@pytest.mark.parametrize("schema", EVERY, ids=NAMES)
def test_kinds_are_those_of_the_model(schema: LogSchema[Any]) -> None:
    """Each field has the kind of values that its class checks for."""
    described_by_model = schema.model.model_json_schema(by_alias=False)["properties"]

    for field in schema.fields:
        if field.in_model:
            kind = "number" if field.kind == "sum" else field.kind
            assert kind == kind_of(field.name, described_by_model[field.name]), field.name


def test_each_log_is_described() -> None:
    """There is a schema for each class of logs, and none is described as two kinds of document."""
    assert set(SCHEMAS) == set(classes(SyncableLog)) - {BaseAttemptLog, LaterExamLog}
    collections = [schema.collection for schema in DOCUMENTS]
    assert len(set(collections)) == len(collections)


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        (LaterExamLog, EXAM_LOG.fields, "describes later not at all"),
        (ExamLog, (*EXAM_LOG.fields, StoredField("later", "integer")), "describes later but the model does not"),
        (ExamLog, (*EXAM_LOG.fields, StoredField("closed", "boolean")), "describes closed twice"),
        (ExamLog, (*EXAM_LOG.fields, counter("closed", "boolean", Counted.DIRTY)), "describes closed twice"),
        (ExamLog, (*EXAM_LOG.fields, StoredField("n", "integer", FieldRole.COUNTER, in_model=False)), "a counter says"),
        (ExamLog, (*EXAM_LOG.fields, StoredField("l", "records", FieldRole.RECORDS, in_model=False)), "lists embed"),
    ],
)
def test_a_schema_that_does_not_fit_its_model_cannot_be_made(
    model: type[SyncableLog], fields: tuple[StoredField, ...], message: str
) -> None:
    """A field that the class has got and the schema not, or the other way round, stops the service at its start."""
    with pytest.raises(TypeError, match=message):
        LogSchema(fields, model=model, embeds=EXAM_LOG.embeds, collection="later")


@pytest.mark.parametrize(("schema", "document"), STORED, ids=STORED_NAMES)
def test_documents_have_the_described_fields(schema: LogSchema[Any], document: dict[str, Any]) -> None:
    """What is written is described, in the order of the schema; what is read is what was written."""
    order = [field.stored for field in schema.stored]

    assert undescribed(schema, document) == []
    assert sorted(document, key=order.index) == list(document)
    assert log_document(schema, read_log(schema, document)) == document


@pytest.mark.parametrize(("schema", "document"), STORED, ids=STORED_NAMES)
def test_a_field_that_is_not_described_is_neither_shown_nor_read(
    schema: LogSchema[Any], document: dict[str, Any]
) -> None:
    """An unknown field at any level changes nothing in answers, in the logs of the library or in counters."""
    later = with_later_fields(schema, document)

    assert undescribed(schema, later)[0] == "later"
    assert shown(schema.model, later, FieldChoice()) == shown(schema.model, document, FieldChoice())
    assert not [path for path in shown_paths(schema.model) if path.rpartition(".")[2] == "later"]
    assert read_log(schema, later) == read_log(schema, document)
    assert log_document(schema, read_log(schema, later)) == document


@pytest.mark.parametrize(("schema", "document"), STORED, ids=STORED_NAMES)
def test_only_public_fields_are_shown(schema: LogSchema[Any], document: dict[str, Any]) -> None:
    """Counters and notes that are not public are in no answer, whatever a document holds in them."""
    hidden = {each.stored: 1 for each in schema.fields if not each.public and each.role is not FieldRole.RECORDED}

    answer = shown(schema.model, {**document, **hidden}, FieldChoice())

    assert hidden
    assert not hidden.keys() & answer.keys()
    assert answer == shown(schema.model, document, FieldChoice())


@pytest.mark.parametrize(("schema", "document"), STORED, ids=STORED_NAMES)
def test_a_field_that_is_not_described_is_not_merged(schema: LogSchema[Any], document: dict[str, Any]) -> None:
    """An import that brings an unknown field at any level is an error; one in the stored document stays in it."""
    [table] = [table for table in TABLES if table.model_name == schema.model.model_name]
    deepest = with_later_fields(schema, document)
    del deepest["later"]
    brought = deepest if schema.embeds else {**document, "later": 1}

    with pytest.raises(RuntimeError, match="does not describe later"):
        merged(table, document, brought, ImportReport())
    kept = merged(table, {**document, "later": 1}, document, ImportReport())

    assert kept["later"] == 1
    assert not kept.keys() & set(schema.named(FieldRole.COUNTER))


@pytest.mark.parametrize("name", ["contentsessionlog", "masterylog"])
@pytest.mark.parametrize("later", [False, True], ids=["ours stays", "theirs replaces ours"])
def test_notes_survive_a_merge(name: str, later: bool) -> None:
    """What only the store knows stays, although the import does not know of it."""
    [schema] = [schema for schema in EVERY if schema.model.model_name == name]
    [table] = [table for table in TABLES if table.model_name == name]
    notes = {note: ["x"] for note in schema.named(FieldRole.NOTE)}
    brought = {"_id" if schema.collection else "id": "1", "end_timestamp": MOMENT}
    ours = {**brought, **notes, "end_timestamp": MOMENT - timedelta(days=1) if later else MOMENT}

    found = merged(table, ours, brought, ImportReport())

    assert notes
    assert found == {**brought, **notes}


def test_counters_are_those_of_the_schema() -> None:
    """A document has each of its counters; one without embedded records leaves out those that would count nothing."""
    for schema, document in STORED:
        left_out = set(schema.named(FieldRole.COUNTER)) - counters(schema, document).keys()
        assert left_out == ({"overflow_buckets"} if schema.sparse else set())
        if schema.sparse:
            bare = {name: value for name, value in document.items() if name != "attempts"}
            assert counters(schema, bare).keys() == {"has_dirty", "schema_version"}


def test_every_collection_is_described() -> None:
    """Indexes, views and the checks of backups are about collections that the schema lists, and about all of them."""
    assert {index.collection for index in described()} | {view.on for view in described_views()} <= OURS
    assert set(CHECKS) == {*BACKED_UP, OVERFLOW}
    assert not set(BACKED_UP) & set(LEFT_OUT)


@pytest.mark.parametrize("view", described_views(), ids=lambda view: view.name)
def test_views_show_described_fields(view: Any) -> None:
    """The columns of a view are described fields, and it has all public ones of the logs that it flattens."""
    schema = next(schema for schema in EVERY if schema.model.model_name == view.name.removesuffix("s").replace("_", ""))
    names = {field.stored for each in (*EVERY, OVERFLOW_BUCKET) for field in each.fields}
    public = {field.stored for field in schema.shown if field.role not in (FieldRole.KEY, FieldRole.RECORDS)}

    projected = [stage["$project"] for stage in view.pipeline if "$project" in stage]

    assert projected
    assert all(public <= set(columns) <= names for columns in projected)
