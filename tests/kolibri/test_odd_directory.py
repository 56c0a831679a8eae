"""A home whose directory holds what Kolibri should never hold is still imported, and verify says what is odd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from docservice import DocService
from docservice.domain.upkeep.consistency import Finding
from docservice.export.backup import export_ndjson, import_ndjson
from docservice.kolibri import import_kolibri

from .samples import LEARNER, changing, insert, rows

ASSIGNED = "SELECT collection_id FROM exams_examassignment WHERE exam_id = ?"


async def found_by(service: DocService) -> list[tuple[str, str, str, str]]:
    """What `verify` finds in the directory."""
    found: list[Finding] = []
    await service.admin.verify(found.append)
    return sorted((each.collection, each.rule, each.path, each.document_id) for each in found)


async def test_the_directory_of_a_real_home_is_possible(empty: DocService, part: Path) -> None:
    """Nothing in the directory of a real Kolibri is called impossible."""
    await import_kolibri(empty, part)

    assert await found_by(empty) == []


@pytest.mark.slow
async def test_odd_records_come_in_and_are_found(empty: DocService, part: Path, tmp_path: Path) -> None:
    """Names that a merge doubled, and rows that lost what they name, are imported, found, and kept by a backup."""
    [same, lost, *_] = [
        row["id"]
        for row in rows(part, "SELECT id FROM kolibriauth_facilityuser WHERE id != ? ORDER BY id LIMIT 2", (LEARNER,))
    ]
    [member] = [
        row["id"] for row in rows(part, "SELECT id FROM kolibriauth_membership WHERE user_id = ? LIMIT 1", (LEARNER,))
    ]
    with changing(part) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        name = "(SELECT upper(username) FROM kolibriauth_facilityuser WHERE id = ?)"
        database.execute(f"UPDATE kolibriauth_facilityuser SET username = {name} WHERE id = ?", (LEARNER, same))
        database.execute("UPDATE kolibriauth_facilityuser SET facility_id = ? WHERE id = ?", ("f" * 32, lost))
        database.execute("UPDATE kolibriauth_membership SET collection_id = ? WHERE id = ?", ("f" * 32, member))

    report = await import_kolibri(empty, part)

    people = len(rows(part, "SELECT id FROM kolibriauth_facilityuser"))
    assert report.counts["users"].new == people
    odd = await found_by(empty)
    assert odd == [
        ("facility_users", "duplicate", "username", max(LEARNER, same)),
        ("facility_users", "orphan", "facility_id", lost),
        ("memberships", "orphan", "collection_id", member),
    ]
    again = await import_kolibri(empty, part)
    assert again.counts["users"].unchanged == people
    await export_ndjson(empty, tmp_path / "all.ndjson")
    restored = await import_ndjson(empty, tmp_path / "all.ndjson")
    assert restored.refused == 0


async def test_values_are_no_reason_to_lose_a_record(
    empty: DocService, database: Any, part: Path, tmp_path: Path
) -> None:
    """Bytes, half a surrogate pair, and an assignment to what has no id lose neither a quiz nor a person."""
    [quiz, other] = [row["id"] for row in rows(part, "SELECT id FROM exams_exam ORDER BY id LIMIT 2")]
    [given, kept] = [[row["collection_id"] for row in rows(part, ASSIGNED, (exam_id,))] for exam_id in (quiz, other)]
    with changing(part) as kolibri:
        kolibri.execute("PRAGMA foreign_keys = OFF")
        kolibri.execute("UPDATE exams_examassignment SET collection_id = x'ff00' WHERE exam_id = ?", (quiz,))
        extra = {"id": "e" * 32, "_morango_dirty_bit": 1, "_morango_source_id": "", "_morango_partition": ""}
        row = {**extra, "collection_id": 7, "exam_id": other, "dataset_id": "", "assigned_by_id": LEARNER}
        insert(kolibri, "exams_examassignment", row)
        kolibri.execute("UPDATE exams_exam SET active = 7 WHERE id = ?", (other,))
        kolibri.execute("UPDATE content_assessmentmetadata SET number_of_assessments = x'ff'")
        kolibri.execute(
            "UPDATE kolibriauth_facilityuser SET extra_demographics = ? WHERE id = ?", (r'"\ud800"', LEARNER)
        )

    report = await import_kolibri(empty, part)

    assert not report.reasons
    assert len(given) > 0
    quizzes = [await database["exams"].find_one({"_id": exam_id}) for exam_id in (quiz, other)]
    assert [one["assignments"] for one in quizzes] == [[], sorted(kept)]
    assert quizzes[1]["active"] is True
    person = await database["facility_users"].find_one({"_id": LEARNER})
    assert person["extra_demographics"] == "\N{REPLACEMENT CHARACTER}"
    noted = await database["import_set_aside"].find_one({"record_id": LEARNER})
    assert noted["row"]["extra_demographics"] == b"\xed\xa0\x80"
    assert await found_by(empty) == []
    assert (await import_kolibri(empty, part)).changes == 0
    await export_ndjson(empty, tmp_path / "all.ndjson")
    restored = await import_ndjson(empty, tmp_path / "all.ndjson")
    assert (restored.flaws, restored.refused) == ([], 0)
