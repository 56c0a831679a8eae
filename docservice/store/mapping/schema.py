"""The one list of collections: what is stored, what of it a backup holds, and where attempts move.

The records of logs, field by field, are described in `domain.logs.schema`, because rules without IO need them, too.
The records of the directory are their models in `domain.directory.records`. The rest is described here.
"""

from __future__ import annotations

from typing import Any

from docservice.domain.directory.records import SECTIONS, DirectoryRecord
from docservice.domain.logs.record_schema import LogSchema
from docservice.domain.logs.schema import DOCUMENTS, EXAM_LOG, SESSION_LOG, SUMMARY_LOG, USER_SESSION_LOG

SUMMARIES = SUMMARY_LOG.collection
SESSIONS = SESSION_LOG.collection
USER_SESSIONS = USER_SESSION_LOG.collection
EXAMS = EXAM_LOG.collection
OVERFLOW = SUMMARY_LOG.moves_to
"""The buckets of attempts that did not fit into their summary or session."""

DOCUMENT_SCHEMAS: dict[str, LogSchema[Any]] = {schema.collection: schema for schema in DOCUMENTS}
"""The collections of logs, each with what its documents are."""

OVERFLOWING = frozenset(schema.collection for schema in DOCUMENTS if schema.moves_to)
"""The collections of logs whose attempts move to buckets in `OVERFLOW`."""

DIRECTORY: dict[str, type[DirectoryRecord]] = {model.collection_name: model for model in SECTIONS.values()}
"""The collections of the directory, each with its record."""

CSV_REQUESTS = "csv_log_requests"
DEVICE_SETTINGS = "device_settings"
DATA_SETS = "generated_data_sets"
SET_ASIDE = "import_set_aside"

CSV_EXPORTS = "csv_exports"
DIRECTORY_LOCKS = "directory_turns"
IDEMPOTENCY_KEYS = "idempotency_keys"
PASSWORD_HASHES = "password_hashes"  # noqa: S105  # a collection
SIGN_IN_FAILURES = "sign_in_failures"
SIGN_IN_LINKS = "sign_in_links"
USER_SESSION_LOCKS = "user_session_turns"
WEB_SESSIONS = "web_sessions"

BACKED_UP = (*DIRECTORY, CSV_REQUESTS, DEVICE_SETTINGS, DATA_SETS, SET_ASIDE, *DOCUMENT_SCHEMAS)
"""What a backup holds, in the order of the file: who and what there is, then the logs, buckets beside their logs."""

LEFT_OUT = {
    CSV_EXPORTS: "how far exports of one machine are; their files are on its disk",
    DIRECTORY_LOCKS: "a lock of the writers of the directory",
    IDEMPOTENCY_KEYS: "answers kept a day for retries",
    PASSWORD_HASHES: "password hashes, sealed with the key of this service",
    SIGN_IN_FAILURES: "wrong passwords of the last minutes",
    SIGN_IN_LINKS: "links to sign in with, good for minutes",
    USER_SESSION_LOCKS: "a lock for each learner",
    WEB_SESSIONS: "who is signed in with a cookie",
}
"""What this service keeps and a backup does not hold: it means nothing in another place or at another time."""

SIGN_IN_TRACES = {PASSWORD_HASHES: "_id", WEB_SESSIONS: "user_id", SIGN_IN_LINKS: "user_id"}
"""What is kept of people so that they can sign in, each with the field that names the person."""

OURS = frozenset({*BACKED_UP, OVERFLOW, *LEFT_OUT})
"""Every collection that this service writes."""
