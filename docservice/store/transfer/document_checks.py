"""Whether a document is one of ours: what an import asks of each before it is written.

The fields that a model has are checked strictly, as the stored types they are. More fields than those are let through,
as everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from pydantic import ValidationError

from docservice.domain.directory.records import DirectoryRecord
from docservice.domain.logs.record_schema import LogSchema
from docservice.domain.logs.schema import ATTEMPT_LOG, OWNER_FIELDS, SCHEMA_VERSION
from docservice.domain.requests.csv_exports import LOG_TYPES
from docservice.domain.upkeep.consistency import field_problems
from docservice.domain.upkeep.erasure import KEY_PREFIX, key_id
from docservice.domain.values.ids import is_hex_id
from docservice.domain.values.times import KolibriTime, to_milliseconds
from docservice.store.database.port import Document
from docservice.store.directory.records import directory_document
from docservice.store.mapping.json_codec import from_bson
from docservice.store.mapping.log_documents import inherited_fields, model_values
from docservice.store.mapping.schema import (
    CSV_REQUESTS,
    DATA_SETS,
    DEVICE_SETTINGS,
    DIRECTORY,
    DOCUMENT_SCHEMAS,
    ERASED_PEOPLE,
    OVERFLOW,
    SET_ASIDE,
)

Check = Callable[[Document], None]
"""Does nothing if a document is valid; raises `NotOurs`."""


class NotOurs(Exception):
    """A document that this service would not have written; the message names the field, and no value."""


def _log_check(schema: LogSchema[Any]) -> Check:
    def check(document: Document) -> None:
        if document.get("schema_version") != SCHEMA_VERSION:
            raise NotOurs(f"schema_version is not {SCHEMA_VERSION}")
        if not isinstance(document.get("has_dirty"), bool):
            raise NotOurs("has_dirty is not a truth value")
        _require_log(schema, document, {}, "")

    return check


def _require_log(schema: LogSchema[Any], document: Mapping[str, Any], inherited: Mapping[str, Any], path: str) -> None:
    try:
        values = {**model_values(schema.model, document), **inherited}
    except (ArithmeticError, ValueError):
        raise NotOurs(f"{path}a JSON field holds what no JSON value is stored as") from None
    embeds = schema.embeds
    items = values.pop(embeds.field, []) if embeds is not None else []
    for problem in field_problems(schema.model, values, path):
        raise NotOurs(f"{problem.path}: {problem.message.removesuffix('.')}")
    dataset_id, partition = values["dataset_id"], values.get("morango_partition", "")
    if not is_hex_id(values.get("id")):
        raise NotOurs(f"{path}id is not an id")
    if not values.get("morango_source_id") or not partition.startswith(dataset_id):
        raise NotOurs(f"{path}_morango_source_id or _morango_partition is not one of the log")
    if embeds is None:
        return
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise NotOurs(f"{path}{embeds.field} is not a list of objects")
    below = {owner.name: values.get(owner.name) for owner in OWNER_FIELDS}
    if embeds.parent is not None:
        below[embeds.parent] = values["id"]
    for position, item in enumerate(items):
        _require_log(embeds.record, item, below, f"{path}{embeds.field}.{position}.")


def _first(error: ValidationError, path: str) -> str:
    [first, *_] = error.errors(include_input=False, include_url=False)
    return f"{path}{'.'.join(map(str, first['loc']))}: {first['msg']}"


_BUCKET_ID = re.compile(r"([0-9a-f]{32}):\d{6,}")


def _check_bucket(document: Document) -> None:
    found = _BUCKET_ID.fullmatch(document["_id"]) if isinstance(document["_id"], str) else None
    if found is None or found[1] != document.get("log_id"):
        raise NotOurs("_id is not that of a bucket of its log")
    for name in ("dataset_id", "content_id"):
        if not is_hex_id(document.get(name)):
            raise NotOurs(f"{name} is not an id")
    partition, attempts = document.get("_morango_partition"), document.get("attempts")
    if not isinstance(partition, str) or not partition.startswith(document["dataset_id"]):
        raise NotOurs("_morango_partition is not one of the log")
    if "user_id" not in document or "masterylog_id" not in document or not isinstance(document.get("has_dirty"), bool):
        raise NotOurs("user_id, masterylog_id or has_dirty is not there")
    if not isinstance(attempts, list) or not attempts or not all(isinstance(attempt, dict) for attempt in attempts):
        raise NotOurs("attempts is not a list of attempts")
    inherited = {**inherited_fields(document), "masterylog_id": document["masterylog_id"]}
    for position, attempt in enumerate(attempts):
        _require_log(ATTEMPT_LOG, attempt, inherited, f"attempts.{position}.")
    if document.get("last_start_timestamp") != max(attempt["start_timestamp"] for attempt in attempts):
        raise NotOurs("last_start_timestamp is not that of the last attempt")


def _directory_check(model: type[DirectoryRecord]) -> Check:
    def check(document: Document) -> None:
        rest = {name: value for name, value in document.items() if name != "_id"}
        try:
            record = model.model_validate({**from_bson(rest), "id": document["_id"]})
        except ValidationError as error:
            raise NotOurs(_first(error, "")) from None
        except (ArithmeticError, ValueError):
            raise NotOurs("a field holds what no JSON value is stored as") from None
        if directory_document(record) != document:
            raise NotOurs("it is not written as records of the directory are")

    return check


_SETTINGS = {
    "device": ("default_facility_id", is_hex_id),
    CSV_REQUESTS: ("last_id", lambda n: type(n) is int),
}


def _check_setting(document: Document) -> None:
    name, is_valid = _SETTINGS.get(str(document["_id"]), ("", None))
    if is_valid is None or not is_valid(document.get(name)):
        raise NotOurs("it is not a setting that is exported")


def _check_csv_request(document: Document) -> None:
    if type(document["_id"]) is not int or not is_hex_id(document.get("facility")):
        raise NotOurs("_id is not a number, or facility is not an id")
    # The type becomes part of a file's name.
    if document.get("log_type") not in LOG_TYPES:
        raise NotOurs("log_type is none of ours")
    recorded = document.get("_recorded")
    if not isinstance(recorded, dict) or not all(isinstance(text, str) for text in recorded.values()):
        raise NotOurs("_recorded holds no times")
    try:
        times = {name: KolibriTime.parse(text) for name, text in recorded.items()}
    except ValueError:
        raise NotOurs("_recorded holds no times") from None
    if any(document.get(name) != to_milliseconds(time.moment) for name, time in times.items()):
        raise NotOurs("_recorded holds other times than the document")


def _check_set_aside(document: Document) -> None:
    if not all(isinstance(document.get(name), str) for name in ("_id", "model_name", "reason")):
        raise NotOurs("_id, model_name or reason is not a text")
    if not isinstance(document.get("row"), dict):
        raise NotOurs("row is not an object")


def _check_data_set(document: Document) -> None:
    if not is_hex_id(document["_id"]) or not isinstance(document.get("plan"), dict):
        raise NotOurs("_id is not an id, or plan is not an object")
    try:
        date.fromisoformat(document.get("until", ""))
    except (TypeError, ValueError):
        raise NotOurs("until is not a day") from None
    if not isinstance(document.get("written", {}), dict):
        raise NotOurs("written is not an object")


_DIGEST = re.compile(r"[0-9a-f]{64}")


def _check_tombstone(document: Document) -> None:
    name, key = document["_id"], document.get("key")
    if not isinstance(name, str) or not isinstance(key, str):
        raise NotOurs("_id or key is not a text")
    if name.startswith(KEY_PREFIX):
        if not _DIGEST.fullmatch(key) or name != KEY_PREFIX + key_id(key):
            raise NotOurs("key is not one of digests")
    elif not _DIGEST.fullmatch(name) or not isinstance(document.get("erased_at"), datetime):
        raise NotOurs("_id is not a digest, or erased_at is not a time")


CHECKS: dict[str, Check] = {
    ERASED_PEOPLE: _check_tombstone,
    **{name: _directory_check(model) for name, model in DIRECTORY.items()},
    **{name: _log_check(schema) for name, schema in DOCUMENT_SCHEMAS.items()},
    OVERFLOW: _check_bucket,
    CSV_REQUESTS: _check_csv_request,
    DEVICE_SETTINGS: _check_setting,
    DATA_SETS: _check_data_set,
    SET_ASIDE: _check_set_aside,
}
"""By collection; a document of any other is not ours."""

SETTINGS = tuple(_SETTINGS)
"""The ids of the settings that are data of the school and not of the machine."""


def require_ours(collection: str, document: Document) -> None:
    """Check that a document is one that this service could have written.

    Raises:
        NotOurs: it is not.
    """
    check = CHECKS.get(collection)
    if check is None:
        raise NotOurs("its collection is not one of ours")
    check(document)
