"""A home whose directory holds what Kolibri should never hold is still imported, and verify says what is odd."""

from __future__ import annotations

from pathlib import Path

from docservice import DocService
from docservice.domain.upkeep.consistency import Finding
from docservice.export.backup import export_ndjson, import_ndjson
from docservice.kolibri import import_kolibri

from .samples import LEARNER, changing, rows


async def found_by(service: DocService) -> list[tuple[str, str, str, str]]:
    """What `verify` finds in the directory."""
    found: list[Finding] = []
    await service.admin.verify(found.append)
    return sorted((each.collection, each.rule, each.path, each.document_id) for each in found)


async def test_the_directory_of_a_real_home_is_possible(empty: DocService, part: Path) -> None:
    """Nothing in the directory of a real Kolibri is called impossible."""
    await import_kolibri(empty, part)

    assert await found_by(empty) == []


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
