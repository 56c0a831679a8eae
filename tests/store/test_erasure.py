"""Nothing of an erased person is left, and nothing brings the person back."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService, Principal, UpdateSession
from docservice.domain.upkeep.erasure import RULES
from docservice.domain.upkeep.receipts import ErasureReceipt
from docservice.errors import ExportError, InvalidReference, PersonErased, ValidationFailed
from docservice.export import CsvWriter, write_export
from docservice.export.backup import export_ndjson, import_ndjson
from docservice.service.base.progress import NoWatch
from docservice.testing import School, interaction, made_id
from tests.support.databases import drop, new_name
from tests.support.documents import collections_of
from tests.support.marked_person import MARKER, PERSON, PERSON_ID, SCHOOL, directory, leave_traces, traces

pytestmark = pytest.mark.without_indexes

PROGRAM = Principal(is_service=True)


@pytest.fixture(scope="module")
async def written(
    mongo: Any, mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, list[dict[str, Any]]], Path]:
    """All documents of a school with a person who has left traces everywhere, by collection; and the data folder."""
    database, folder = mongo[new_name()], tmp_path_factory.mktemp("traces")
    async with DocService(mongodb_uri, database=database.name, data_dir=folder, apply_indexes=False) as service:
        await service.import_directory(directory())
        await leave_traces(service, database)
    found = {each: await database[each].find().to_list() for each in await collections_of(database)}
    await drop(database)
    return found, folder


@pytest.fixture
async def logs(
    mongodb_uri: str, database: Any, written: tuple[dict[str, list[dict[str, Any]]], Path], tmp_path: Path
) -> AsyncIterator[DocService]:
    """A service of the test's own with these documents and files."""
    for collection, documents in written[0].items():
        await database[collection].insert_many(documents)
    shutil.copytree(written[1], tmp_path / "data")
    async with DocService(
        mongodb_uri, database=database.name, data_dir=tmp_path / "data", apply_indexes=False, timeout_seconds=5
    ) as service:
        yield service


@pytest.fixture
async def elsewhere(mongo: Any, mongodb_uri: str, tmp_path: Path) -> AsyncIterator[DocService]:
    """A service over another database."""
    database = mongo[new_name()]
    async with DocService(
        mongodb_uri, database=database.name, data_dir=tmp_path / "other", apply_indexes=False
    ) as service:
        yield service
    await drop(database)


async def erase(logs: DocService, watch: Any = None) -> ErasureReceipt:
    """Erase the person."""
    return await logs.admin.erase(PERSON_ID, watch=watch)


async def test_nothing_is_left(logs: DocService, database: Any) -> None:
    """Neither a dump of all collections nor an exported file has the id or a marker; all of others is as it was."""
    await logs.acting_as(SCHOOL.learner(1)).start_session(SCHOOL.exercise, idempotency_key="of another")
    others = await database["content_summary_logs"].find({"user_id": {"$ne": PERSON_ID}}).to_list()
    before = await traces(database, logs.data_dir)
    preview = await logs.admin.preview_erasure(PERSON_ID)

    receipt = await erase(logs)

    assert {place.split()[0] for place in before} >= RULES.keys() & set(receipt.removed) - {"csv_exports"}
    assert await traces(database, logs.data_dir) == []
    assert {name: number for name, number in receipt.removed.items() if name != "csv_exports"} == preview.removed
    assert (
        receipt.changed
        == preview.changed
        == {
            "exams": 1,
            "lessons": 1,
            "facility_collections": 1,
            "import_set_aside": 1,
        }
    )
    assert receipt.files == 2
    assert await database["content_summary_logs"].find().to_list() == others
    assert await database["idempotency_keys"].count_documents({}) == 1
    exam = await database["exams"].find_one()
    assert (exam["creator_id"], exam["learner_ids"]) == (None, [SCHOOL.learner(1).user_id])


async def test_verify_finds_nothing_wrong_afterwards(logs: DocService) -> None:
    """What is left of the others is in order."""
    findings: list[Any] = []

    await erase(logs)
    await logs.admin.verify(findings.append)

    assert findings == []


class Interrupting(NoWatch):
    """Stops the work when a part begins."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.parts: list[str] = []

    def begin(self, part: str, total: int | None = None) -> None:
        """Count the part, and stop at the last one."""
        self.parts.append(part)
        self.left -= 1
        if self.left == 0:
            raise KeyError(part)


@pytest.mark.parametrize(
    "step", [2, 13, *(pytest.param(each, marks=pytest.mark.slow) for each in range(1, 25) if each not in (2, 13))]
)
async def test_an_interrupted_erasure_ends_like_any_other(
    logs: DocService, database: Any, mongodb_uri: str, step: int
) -> None:
    """Stopped when a step begins, the person is shut out already; done again, by the username, the end is the same."""
    preview = await logs.admin.preview_erasure(PERSON_ID)
    with pytest.raises(KeyError):
        await erase(logs, Interrupting(step))
    async with DocService(mongodb_uri, database=database.name, data_dir=logs.data_dir, apply_indexes=False) as again:
        if step > 1:
            with pytest.raises(PersonErased):
                await again.acting_as(PERSON).start_session(SCHOOL.exercise)
        user_id = await again.admin.erasable_person(f"Marked/{MARKER}")

        receipt = await again.admin.erase(user_id)

    assert user_id == PERSON_ID
    assert await traces(database, logs.data_dir) == []
    assert {name: number for name, number in receipt.removed.items() if name != "csv_exports"} == preview.removed
    assert receipt.changed == preview.changed
    assert receipt.files == 2


async def test_erased_twice(logs: DocService) -> None:
    """The second time finds nothing more, and its receipt says the same; a person who never was is an error."""
    first = await erase(logs)
    second = await erase(logs)

    assert second.model_copy(update={"finished": None}) == first.model_copy(update={"finished": None})
    with pytest.raises(InvalidReference):
        await logs.admin.erasable_person(MARKER)
    with pytest.raises(InvalidReference):
        await logs.admin.erase(made_id("nobody"))


async def test_a_backup_brings_nothing_back(logs: DocService, database: Any, tmp_path: Path) -> None:
    """A backup of before, with and without --replace, leaves out what belongs to the person, and says so."""
    await export_ndjson(logs, tmp_path / "old.ndjson")
    await erase(logs)

    for replace in (False, True):
        report = await import_ndjson(logs, tmp_path / "old.ndjson", replace=replace)
        assert report.counts["content_summary_logs"].erased == 2
        assert report.counts["facility_users"].erased == 1
        assert (report.refused, report.flaws) == (0, [])
        assert await traces(database, logs.data_dir) == []
    exam = await database["exams"].find_one()
    assert exam["learner_ids"] == [SCHOOL.learner(1).user_id]


async def test_a_backup_takes_the_tombstones_along(logs: DocService, elsewhere: DocService, tmp_path: Path) -> None:
    """In another database, which has a key of its own, the restored tombstone keeps the person out as well."""
    other = School("Other")
    await elsewhere.import_directory(other.directory())
    await elsewhere.admin.erase(str(other.learner().user_id))
    await erase(logs)
    await export_ndjson(logs, tmp_path / "new.ndjson")

    report = await import_ndjson(elsewhere, tmp_path / "new.ndjson")
    counts = await elsewhere.import_directory(directory())

    assert report.counts["erased_people"].written == 2
    assert [reason.split()[0] for reason in report.refusals.values()] == ["device_settings"]
    assert (counts["users"].erased, counts["memberships"].erased) == (1, 2)
    both = [PERSON_ID, str(other.learner().user_id)]
    assert await elsewhere.admin.erased_among(both) == set(both)


async def test_the_directory_brings_nobody_back(logs: DocService, database: Any) -> None:
    """A file and a request write all others, leave out what is the person's, and count that; rules see them gone."""
    await erase(logs)
    writer = logs.acting_as(PROGRAM)

    counts = await logs.import_directory(directory())
    users = await writer.upsert_directory("users", directory()["users"])
    alone = await writer.upsert_directory("memberships", directory()["memberships"][:1])

    assert (counts["users"].erased, counts["memberships"].erased, counts["exams"].erased) == (1, 2, 0)
    assert (users.unchanged, users.erased, alone.erased) == (3, 1, 1)
    classroom = await database["facility_collections"].find_one({"_id": SCHOOL.classroom_id})
    assert classroom["note"] == "asked by erased"
    assert await traces(database, logs.data_dir) == []


@pytest.mark.slow
async def test_a_large_directory_file_brings_nobody_back(logs: DocService, database: Any) -> None:
    """A file of more records than fit into one transaction is treated alike."""
    await erase(logs)
    nodes = [
        {"id": made_id(f"n{n}"), "content_id": made_id(f"c{n}"), "channel_id": made_id("channel"), "kind": "video"}
        for n in range(1001)
    ]

    counts = await logs.import_directory({**directory(), "content_nodes": nodes})

    assert (counts["users"].erased, counts["memberships"].erased, counts["content_nodes"].created) == (1, 2, 1001)
    assert await traces(database, logs.data_dir) == []


async def test_trusted_collections_write_nothing_of_an_erased_person(logs: DocService, database: Any) -> None:
    """A save is refused, and a load leaves the log out."""
    log = SCHOOL.content_summary_log()
    await erase(logs)

    with pytest.raises(ValidationFailed, match="user_id"):
        await logs.content_summary_logs.save(log)

    assert await logs.content_summary_logs.load([log, SCHOOL.content_summary_log(1)]) == 1
    assert await traces(database, logs.data_dir) == []


async def test_erased_while_the_learner_works(logs: DocService, database: Any) -> None:
    """Reports that come all the time are taken before, refused after, and nothing of them is left."""
    learner = logs.acting_as(PERSON)
    visit = await learner.start_session(SCHOOL.exercise)
    taken = asyncio.Event()

    async def report() -> None:
        with suppress(PersonErased):
            while True:
                await learner.update_session(visit.session_id, UpdateSession(interactions=[interaction()]))
                taken.set()

    reporting = [asyncio.create_task(report()) for _ in range(3)]
    await taken.wait()
    await erase(logs)
    await asyncio.gather(*reporting)

    assert await traces(database, logs.data_dir) == []


async def test_a_person_who_is_only_in_logs_is_erased(logs: DocService, database: Any) -> None:
    """Someone who was withdrawn from the directory is named by id."""
    for collection in ("facility_users", "memberships", "roles"):
        await database[collection].delete_many({"$or": [{"_id": PERSON_ID}, {"user_id": PERSON_ID}]})

    user_id = await logs.admin.erasable_person(PERSON_ID)
    await logs.admin.erase(user_id)

    assert await traces(database, logs.data_dir) == []


async def test_a_coach_and_the_last_administrator(logs: DocService, database: Any) -> None:
    """A coach's class stays as it is; whether somebody is the last who administers a facility can be asked before."""
    coach, admin = str(SCHOOL.coach.user_id), str(SCHOOL.admin.user_id)
    await database["lessons"].update_one({}, {"$set": {"created_by_id": coach}})

    assert [await logs.admin.is_last_administrator(each) for each in (coach, admin)] == [False, True]
    receipt = await logs.admin.erase(coach)

    assert receipt.removed == {"roles": 1, "idempotency_keys": 1, "facility_users": 1}  # the reply of nobody known
    assert (await database["lessons"].find_one())["created_by_id"] is None
    assert await database["facility_collections"].count_documents({"kind": "classroom"}) == 1


async def test_the_logs_of_others_are_searched_on_request(logs: DocService, database: Any) -> None:
    """With `thorough`, an id in another learner's log goes, too, and the log is still in order."""
    other = logs.acting_as(SCHOOL.learner(1))
    visit = await other.start_session(SCHOOL.exercise)
    await other.update_session(visit.session_id, UpdateSession(interactions=[interaction(answer={"with": PERSON_ID})]))

    receipt = await logs.admin.erase(PERSON_ID, thorough=True)

    assert receipt.changed["content_summary_logs"] == 1
    assert await traces(database, logs.data_dir) == []
    assert (await anext(logs.attempt_logs.find(user_id=SCHOOL.learner(1).user_id))).answer == {"with": None}


async def test_an_export_during_an_erasure_is_not_kept(logs: DocService, tmp_path: Path) -> None:
    """A table that may have read the person fails, says why, and leaves no file."""
    loop, folder = asyncio.get_running_loop(), tmp_path / "tables"
    await asyncio.to_thread(folder.mkdir)

    class ErasingWriter(CsvWriter):
        """Lets somebody be erased when rows are written, which is in a thread."""

        def close(self) -> None:
            """Finish the file after the erasure."""
            erasing = logs.admin.erase(str(SCHOOL.coach.user_id))
            asyncio.run_coroutine_threadsafe(erasing, loop).result()
            super().close()

    with pytest.raises(ExportError, match="erased while"):
        await write_export(logs, "attempt", SCHOOL.facility_id, folder / "export.csv", ErasingWriter)

    assert await asyncio.to_thread(os.listdir, folder) == []


async def test_a_file_that_cannot_be_removed_is_named(logs: DocService) -> None:
    """The erasure says which folder, and goes on when it is repeated."""
    stuck = logs.data_dir / "exports" / f"{SCHOOL.facility_id}-x"
    stuck.mkdir()

    with pytest.raises(ExportError, match="exports"):
        await erase(logs)
    stuck.rmdir()

    assert (await erase(logs)).finished is not None


async def test_tombstones_say_nothing_of_the_person(logs: DocService, database: Any) -> None:
    """A tombstone has a digest that only the key makes, times and counts."""
    await erase(logs)

    tombstones = await database["erased_people"].find({"erased_at": {"$exists": True}}).to_list()

    assert len(tombstones) == 1
    assert tombstones[0].keys() == {"_id", "key", "erased_at", "finished_at", "removed", "changed", "files"}
    assert datetime.now(UTC) >= tombstones[0]["finished_at"] >= tombstones[0]["erased_at"]
    assert await logs.admin.erased_among([PERSON_ID, str(SCHOOL.coach.user_id)]) == {PERSON_ID}
    assert await collections_of(database)
