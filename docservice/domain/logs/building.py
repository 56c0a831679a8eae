"""Builds whole logs from values: checks them and fills in all computed fields.

Rule: kolibri/core/logger/models.py (`infer_dataset`, `save`) and morango, models/core.py (`calculate_uuid`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from docservice.domain.logs.content_logs import SyncableLog
from docservice.domain.logs.record_schema import Embedding
from docservice.domain.logs.schema import JSON_FIELDS, SCHEMAS
from docservice.domain.values.json_values import require_storable
from docservice.domain.values.times import KolibriTime
from docservice.domain.values.validation_messages import validation_message
from docservice.errors import FieldError, ValidationFailed

_Path = tuple[str | int, ...]


def whole_log(
    model: type[SyncableLog], values: Mapping[str, Any], dataset_id: str, new_source_id: Callable[[], str]
) -> SyncableLog:
    """Return a log with the logs embedded in it, each with partition, source id and id.

    Args:
        model: its class.
        values: its fields by name; embedded logs may leave out what their parent says already.
        dataset_id: what the log belongs to.
        new_source_id: gives a random source id, 32 hex characters.

    Raises:
        UnstorableValue: no document can hold a value; it names the field.
        ValidationFailed: fields are wrong, or the log names another id, dataset, learner or parent than follows.
    """
    errors: list[FieldError] = []
    log = _log(model, {**values, "dataset_id": dataset_id}, (), new_source_id, errors)
    if errors or log is None:
        raise ValidationFailed(errors)
    return log


def _log(
    model: type[SyncableLog],
    values: Mapping[str, Any],
    path: _Path,
    new_source_id: Callable[[], str],
    errors: list[FieldError],
) -> SyncableLog | None:
    embedded = SCHEMAS[model].embeds
    own = {name: value for name, value in values.items() if embedded is None or name != embedded.field}
    for name, value in own.items():
        if isinstance(value, (str, list, dict)) or name in JSON_FIELDS:
            require_storable(value, (*path, name))
    try:
        log = model.model_validate(own).identified(new_source_id())
    except ValidationError as error:
        errors += [
            FieldError((*path, *e["loc"]), "invalid", validation_message(e)) for e in error.errors(include_input=False)
        ]
        return None
    if values.get("id") not in (None, "", log.id):
        errors.append(FieldError((*path, "id"), "invalid", "The id is not the one that follows from the log."))
    errors += _recorded_errors(log, path)
    if embedded is None:
        return log
    items = _items(embedded, values.get(embedded.field) or [], log, path, new_source_id, errors)
    return log.model_copy(update={embedded.field: items})


def _items(
    embedded: Embedding,
    listed: Any,
    parent: SyncableLog,
    path: _Path,
    new_source_id: Callable[[], str],
    errors: list[FieldError],
) -> list[SyncableLog]:
    path = (*path, embedded.field)
    if not isinstance(listed, (list, tuple)):
        errors.append(FieldError(path, "invalid", "A list is expected."))
        return []
    inherited: dict[str, Any] = {"dataset_id": parent.dataset_id, "user_id": parent.user_id}
    if embedded.parent is not None:
        inherited[embedded.parent] = parent.id
    items: list[SyncableLog] = []
    seen: set[str] = set()
    for position, item in enumerate(listed):
        where = (*path, position)
        if not isinstance(item, Mapping):
            errors.append(FieldError(where, "invalid", "An object is expected."))
            continue
        errors += [
            FieldError((*where, name), "invalid", "This is not what the log around it says.")
            for name, value in inherited.items()
            if item.get(name) not in (None, "", value)
        ]
        log = _log(embedded.record.model, {**item, **inherited}, where, new_source_id, errors)
        if log is not None and log.id in seen:
            errors.append(FieldError(where, "invalid", "The list has the same record twice."))
        elif log is not None:
            seen.add(log.id)
            items.append(log)
    return items


def _recorded_errors(log: SyncableLog, path: _Path) -> list[FieldError]:
    errors = []
    for field, text in log.recorded.items():
        try:
            KolibriTime.parse(text)
        except (ValueError, OverflowError):
            message = "The text of a time reads YYYY-MM-DD HH:MM:SS.ffffff(Zone)."
            errors.append(FieldError((*path, "_recorded", field), "invalid", message))
    return errors
