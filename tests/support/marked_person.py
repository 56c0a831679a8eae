"""A school in which one learner has left traces everywhere, each with a marker that a search finds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import bson

from docservice import DocService, UpdateSession
from docservice.domain.requests.csv_exports import CsvLogRequest
from docservice.domain.requests.exam_logs import SaveExamAttempt, SaveExamLog
from docservice.service.base.export_files import FOLDER
from docservice.testing import School, interaction, made_id
from tests.support.documents import collections_of

SCHOOL = School("Marked")
PERSON = SCHOOL.learner()
PERSON_ID = str(PERSON.user_id)
MARKER = "zq7trace"
"""In every text of the person, the username too."""

_TIME = datetime(2024, 9, 2, tzinfo=UTC)


def directory() -> dict[str, Any]:
    """The school, in which quiz and lesson are made by the person, and are for the person alone, too."""
    content = SCHOOL.directory()
    for user in content["users"]:
        if user["id"] == PERSON_ID:
            user |= {"username": MARKER, "full_name": f"{MARKER} name", "birth_year": "2010", "id_number": MARKER}
    for name, creator in (("exams", "creator_id"), ("lessons", "created_by_id")):
        for record in content[name]:
            record |= {creator: PERSON_ID, "learner_ids": [PERSON_ID, SCHOOL.learner(1).user_id]}
    content["classrooms"][0]["note"] = f"asked by {PERSON_ID.upper()}"
    return content


async def leave_traces(logs: DocService, database: Any) -> None:
    """Let the person do everything that is kept, and put rows and files beside it.

    Args:
        logs: a service whose directory has `directory()`.
        database: the same, as the plain driver sees it.
    """
    learner = logs.acting_as(PERSON)
    answered = [
        interaction(f"{MARKER} {number}", answer={"text": MARKER}, simple_answer=f"{MARKER}?") for number in range(30)
    ]
    for start in (SCHOOL.exercise, SCHOOL.quiz):
        visit = await learner.start_session(start, idempotency_key=f"start {start.quiz_id}")
        for number in range(2):  # more than a document holds
            await learner.update_session(
                visit.session_id,
                UpdateSession(interactions=answered, extra_fields={"text": MARKER}),
                idempotency_key=f"update {visit.session_id} {number}",
            )
    await learner.update_user_session()
    admin = logs.acting_as(SCHOOL.admin)
    exam_log = await admin.save_exam_log(
        SaveExamLog.parse({"exam": SCHOOL.quiz_id, "user": PERSON_ID}), idempotency_key="of an admin"
    )
    now = _TIME.isoformat()
    attempt = {"item": MARKER, "correct": 1, "start_timestamp": now, "end_timestamp": now, "content_id": made_id("c")}
    await learner.save_exam_attempt(
        SaveExamAttempt.parse({"examlog": exam_log.log.id, "user": PERSON_ID, **attempt}), idempotency_key="attempt"
    )
    for collection in ("content_summary_logs", "content_session_logs", "exam_logs", "user_session_logs"):
        await database[collection].update_many({"user_id": PERSON_ID}, {"$set": {"by another program": MARKER}})
    row = {"id": made_id("row"), "user_id": PERSON_ID, "item": MARKER}
    account = {"id": PERSON_ID, "username": MARKER}
    exam = {"id": made_id("exam row"), "creator_id": PERSON_ID}
    await database["import_set_aside"].insert_many(
        [
            {"_id": f"{kind}:{row['id']}", "model_name": kind, "record_id": row["id"], "reason": "none", "row": row}
            for kind, row in (("attemptlog", row), ("users", account), ("exams", exam))
        ]
    )
    await admin.create_csv_request(CsvLogRequest.parse({"facility": SCHOOL.facility_id, "log_type": "session"}))
    # A reply that an earlier version kept, which did not note whose it is.
    await database["idempotency_keys"].insert_one({"_id": "old", "fingerprint": "", "reply": b"x", "created_at": _TIME})
    await database["password_hashes"].insert_one({"_id": PERSON_ID, "sealed": MARKER.encode()})
    await database["web_sessions"].insert_one({"_id": "a session", "user_id": PERSON_ID})
    await database["sign_in_links"].insert_one({"_id": "a link", "user_id": PERSON_ID, "path": MARKER})
    folder = logs.data_dir / FOLDER
    _write(folder / f"{SCHOOL.facility_id}-session.csv", MARKER)
    _write(folder / f".{SCHOOL.facility_id}-summary.csv.01.part", MARKER)
    _write(folder / f"{made_id('another facility')}-session.csv", "others")


def _write(path: Any, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


async def traces(database: Any, data_dir: Any) -> list[str]:
    """Where a full dump of the database, and the exported files, still have the id or the marker."""
    wanted = [MARKER.encode(), PERSON_ID.encode(), PERSON_ID.upper().encode()]
    found = []
    for collection in await collections_of(database):
        async for document in database[collection].find():
            encoded = bson.encode(document)
            if any(text in encoded for text in wanted):
                found.append(f"{collection} {json.dumps(document, default=str)[:200]}")
    files = sorted((data_dir / FOLDER).iterdir())
    return [*found, *(path.name for path in files if any(text in path.read_bytes() for text in wanted))]
