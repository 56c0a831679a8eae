"""What is gone in a Kolibri is withdrawn by its next import; logs and content never are."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from docservice import DocService, demo
from docservice.identity import TokenVerifier, issue_token
from docservice.kolibri import ImportReport, import_kolibri
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity
from docservice.service.base.progress import NoWatch
from tests.support.signing import SECRET

from .samples import LEARNER, changing, insert, rows

LOGS = ("content_summary_logs", "content_session_logs", "user_session_logs")
KINDS = {
    "roles": "kolibriauth_role",
    "memberships": "kolibriauth_membership",
    "facility_users": "kolibriauth_facilityuser",
    "facility_collections": "kolibriauth_collection",
    "exams": "exams_exam",
    "lessons": "lessons_lesson",
}
AUTH_TABLES = ("role", "membership", "facilityuser", "collection", "facilitydataset")


@pytest.fixture
def home(part: Path) -> Path:
    """A Kolibri with the whole directory and some logs of one learner."""
    with changing(part) as file:
        sessions = "SELECT id FROM logger_contentsessionlog WHERE user_id IS NOT NULL ORDER BY id LIMIT 20"
        file.execute(f"DELETE FROM logger_contentsessionlog WHERE id NOT IN ({sessions})")
        file.execute(
            "DELETE FROM logger_attemptlog WHERE sessionlog_id NOT IN (SELECT id FROM logger_contentsessionlog)"
        )
    return part


Attempts = Callable[[str], Any]


@pytest.fixture
async def attempts(empty: DocService) -> AsyncIterator[Attempts]:
    """Asks the API for all attempts, as the person with a username; the status and how many were seen."""
    app = create_app(empty, identify=bearer_identity(TokenVerifier(secret=SECRET)))
    async with TestClient(TestServer(app)) as client:

        async def ask(user_id: str) -> tuple[int, int]:
            token = issue_token(SECRET, user_id, now=datetime.now(UTC), ttl_seconds=3600)
            headers = {"Authorization": f"Bearer {token}"}
            async with client.get("/api/logger/attemptlog/", headers=headers) as response:
                answer = await response.json()
                return response.status, len(answer) if response.status == 200 else 0

        yield ask


def person(home: Path, username: str) -> str:
    """The id of a person of a Kolibri."""
    user_id: str = rows(home, "SELECT id FROM kolibriauth_facilityuser WHERE username = ?", (username,))[0]["id"]
    return user_id


async def ids(database: Any, collection: str) -> set[str]:
    """Which records are here."""
    return {document["_id"] async for document in database[collection].find({}, {"_id": 1})}


async def documents(database: Any, *collections: str) -> dict[str, list[Any]]:
    """All documents of some collections."""
    return {name: [each async for each in database[name].find().sort("_id")] for name in collections}


def withdrawn(report: ImportReport) -> dict[str, int]:
    """How many records of which kind were withdrawn."""
    return {kind: counts.withdrawn for kind, counts in report.counts.items() if counts.withdrawn}


async def test_lost_roles(empty: DocService, database: Any, home: Path, attempts: Attempts) -> None:
    """Who lost a role, or whose class was emptied, does not read the logs any more; the logs are all there, for those
    who may still read them."""
    teacher, librarian, owner = (person(home, name) for name in ("teacher1", "librarian", "owner"))
    await import_kolibri(empty, home)
    before = {user: (await attempts(user))[1] for user in (teacher, librarian, owner)}
    logs = await documents(database, *LOGS)
    with changing(home) as file:
        file.execute("DELETE FROM kolibriauth_role")
        file.execute("DELETE FROM kolibriauth_membership")

    report = await import_kolibri(empty, home)
    again = await import_kolibri(empty, home)

    assert before[teacher] == before[librarian] == before[owner] > 10
    assert [await attempts(user) for user in (teacher, librarian)] == [(200, 0), (200, 0)]
    assert await attempts(owner) == (200, before[owner])
    assert withdrawn(report) == {"roles": 9, "memberships": 102}
    assert report.changes == 111
    assert again.changes == 0
    assert await documents(database, *LOGS) == logs


async def test_each_kind_that_is_gone(empty: DocService, database: Any, home: Path, attempts: Attempts) -> None:
    """People, classes, groups, quizzes and lessons that are gone are withdrawn and counted; the directory is that of
    the Kolibri, and logs and titles stay."""
    await import_kolibri(empty, home)
    kept = (*LOGS, "content_nodes", "channels", "facility_datasets")
    before = await documents(database, *kept)
    with changing(home) as file:
        file.execute("DELETE FROM kolibriauth_facilityuser WHERE id = ?", (LEARNER,))
        file.execute("DELETE FROM kolibriauth_membership WHERE user_id = ?", (LEARNER,))
        file.execute("DELETE FROM kolibriauth_collection WHERE kind = 'learnergroup' AND name = 'Red group'")
        file.execute("DELETE FROM kolibriauth_collection WHERE name = 'Class 3'")
        file.execute("DELETE FROM exams_exam WHERE id IN (SELECT id FROM exams_exam ORDER BY id LIMIT 2)")
        file.execute("DELETE FROM lessons_lesson WHERE id IN (SELECT id FROM lessons_lesson ORDER BY id LIMIT 3)")
        file.execute("DELETE FROM content_contentnode")
        file.execute("DELETE FROM content_channelmetadata")
        file.execute("DELETE FROM logger_usersessionlog")

    report = await import_kolibri(empty, home)

    gone = {"users": 1, "memberships": 2, "learnergroups": 3, "classrooms": 1, "exams": 2, "lessons": 3}
    assert withdrawn(report) == gone
    for collection, table in KINDS.items():
        assert await ids(database, collection) == {row["id"] for row in rows(home, f"SELECT id FROM {table}")}
    assert await documents(database, *kept) == before
    status, seen = await attempts(person(home, "head"))
    assert (status, seen > 10) == (200, True)
    assert await attempts(LEARNER) == (401, 0)
    assert (await import_kolibri(empty, home)).changes == 0


@pytest.mark.slow
async def test_what_is_missing_may_be_kept(empty: DocService, database: Any, home: Path) -> None:
    """With `keep_missing` nothing is withdrawn."""
    await import_kolibri(empty, home)
    before = await documents(database, *KINDS)
    with changing(home) as file:
        for table in KINDS.values():
            file.execute(f"DELETE FROM {table} WHERE id <> (SELECT dataset_id FROM kolibriauth_role)")

    report = await import_kolibri(empty, home, keep_missing=True)

    assert report.changes == 0
    assert await documents(database, *KINDS) == before


@pytest.mark.slow
async def test_other_facilities(empty: DocService, database: Any, home: Path) -> None:
    """Records of a facility that the Kolibri does not hold stay as they are; what came into one of its own by another
    way, and is not in the Kolibri, goes."""
    facility = rows(home, "SELECT id FROM kolibriauth_collection WHERE kind = 'facility'")[0]["id"]
    await empty.import_directory(demo.directory())
    elsewhere = await documents(database, *KINDS, "facility_datasets")
    await import_kolibri(empty, home)
    role = {"id": "a" * 32, "user": LEARNER, "collection": facility, "kind": "admin"}
    foreign_user = demo.directory()["users"][1]["id"]
    guest = {"_id": "b" * 32, "user_id": foreign_user, "collection_id": facility, "kind": "admin"}
    await empty.import_directory({"roles": [role]})
    await database["roles"].insert_one(guest)  # refused today, but an earlier version took it
    with changing(home) as file:
        for table in KINDS.values():
            condition = "kind = 'facility'" if table.endswith("collection") else "0"
            file.execute(f"DELETE FROM {table} WHERE NOT ({condition})")

    report = await import_kolibri(empty, home)

    assert withdrawn(report)["roles"] == 9 + 2
    left = await documents(database, *KINDS, "facility_datasets")
    ours = rows(home, "SELECT id FROM kolibriauth_collection UNION SELECT id FROM kolibriauth_facilitydataset")
    known = {row["id"] for row in ours}
    assert {name: [each for each in found if each["_id"] not in known] for name, found in left.items()} == elsewhere


@pytest.mark.slow
async def test_what_cannot_be_read_is_not_gone(empty: DocService, database: Any, home: Path) -> None:
    """A record whose row is set aside stays as it was read before; where an id cannot be read, nothing of the kind
    goes, and the report says so."""
    await import_kolibri(empty, home)
    before = await documents(database, *KINDS)
    with changing(home) as file:
        file.execute("UPDATE kolibriauth_facilityuser SET username = '' WHERE username LIKE 'learner%'")
        file.execute("UPDATE kolibriauth_role SET kind = 'none'")
        file.execute("UPDATE lessons_lesson SET id = 'x' WHERE id = (SELECT min(id) FROM lessons_lesson)")

    report = await import_kolibri(empty, home)

    assert withdrawn(report) == {}
    assert (report.counts["users"].set_aside, report.counts["roles"].set_aside) == (61, 9)
    assert [note for note in report.notes if note.startswith("6 lessons were left as they are: not all ids")]
    assert await documents(database, *KINDS) == before


def without_auth(file: sqlite3.Connection) -> None:
    """Take the tables of people away."""
    for name in AUTH_TABLES:
        file.execute(f"DROP TABLE kolibriauth_{name}")


def without_facility(file: sqlite3.Connection) -> None:
    """Empty what makes a facility, and the roles."""
    file.execute("DELETE FROM kolibriauth_collection WHERE kind = 'facility'")
    file.execute("DELETE FROM kolibriauth_role")


def of_some_learners(file: sqlite3.Connection) -> None:
    """Make it the device of one learner."""
    file.execute("UPDATE device_devicesettings SET subset_of_users_device = 1")
    file.execute("DELETE FROM kolibriauth_facilityuser WHERE id <> ?", (LEARNER,))
    file.execute("DELETE FROM kolibriauth_role")


def without_roles(file: sqlite3.Connection) -> None:
    """Take one table away."""
    file.execute("DROP TABLE kolibriauth_role")


def of_one_learner_by_certificate(file: sqlite3.Connection) -> None:
    """Take all other people away, as where `kolibri manage sync --user` brought one: only the device's own certificate
    says so, while that of the whole facility is the server's."""
    file.execute("DELETE FROM kolibriauth_facilityuser WHERE id <> ?", (LEARNER,))
    file.execute("DELETE FROM kolibriauth_role")
    (dataset_id,) = file.execute("SELECT id FROM kolibriauth_facilitydataset").fetchone()
    certificate(file, dataset_id, "full-facility", None)
    certificate(file, dataset_id, "single-user", "a private key")


def certificate(file: sqlite3.Connection, dataset_id: str, scope: str, private_key: str | None) -> None:
    """Give a device a certificate; with a private key it is its own."""
    columns = "id INTEGER PRIMARY KEY, scope_definition_id TEXT, scope_params TEXT, private_key TEXT"
    file.execute(f"CREATE TABLE IF NOT EXISTS morango_certificate ({columns})")
    row = {"scope_definition_id": scope, "scope_params": json.dumps({"dataset_id": dataset_id})}
    insert(file, "morango_certificate", {**row, "private_key": private_key})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "note"),
    [
        (without_auth, "Nothing was withdrawn: this Kolibri has no facility"),
        (without_facility, "Nothing was withdrawn: this Kolibri has no facility"),
        (of_some_learners, "Nothing was withdrawn: this Kolibri has only some of the learners"),
        (of_one_learner_by_certificate, "Nothing was withdrawn: this Kolibri has only some of the learners"),
        (without_roles, "9 roles were left as they are: the Kolibri has no table kolibriauth_role."),
    ],
)
async def test_half_a_kolibri(
    empty: DocService, database: Any, home: Path, change: Callable[[sqlite3.Connection], None], note: str
) -> None:
    """A Kolibri that does not know a facility, or a kind of record, takes nothing away, and the report says so."""
    await import_kolibri(empty, home)
    before = await documents(database, *KINDS)
    with changing(home) as file:
        change(file)

    report = await import_kolibri(empty, home)

    assert withdrawn(report) == {}
    assert [found for found in report.notes if found.startswith(note)]
    assert await documents(database, *KINDS) == before


@pytest.mark.slow
async def test_a_person_who_moved(empty: DocService, database: Any, home: Path) -> None:
    """Who is gone in one facility because of a move to another stays there, without the memberships of the first."""
    await import_kolibri(empty, home)
    other = demo.directory()
    await empty.import_directory(other)
    moved = {"dataset_id": other["datasets"][0]["id"], "facility_id": other["facilities"][0]["id"]}
    # A directory file may not leave the memberships behind, but an earlier version took such a one.
    await database.facility_users.update_one({"_id": LEARNER}, {"$set": moved})
    with changing(home) as file:
        file.execute("DELETE FROM kolibriauth_facilityuser WHERE id = ?", (LEARNER,))
        file.execute("DELETE FROM kolibriauth_membership WHERE user_id = ?", (LEARNER,))

    report = await import_kolibri(empty, home)

    assert withdrawn(report) == {"memberships": 2}
    assert (await database.facility_users.find_one({"_id": LEARNER}))["dataset_id"] == moved["dataset_id"]


class Broken(NoWatch):
    """Ends an import before it brings anything."""

    def begin(self, part: str, total: int | None = None) -> None:
        """See `Watch.begin`."""
        raise KeyError(part)


@pytest.mark.slow
async def test_withdrawn_first(empty: DocService, home: Path, attempts: Attempts) -> None:
    """An import that breaks off has taken away the roles that are gone."""
    teacher = person(home, "teacher1")
    await import_kolibri(empty, home)
    before = await attempts(teacher)
    with closing(sqlite3.connect(home)) as file:
        file.execute("DELETE FROM kolibriauth_role WHERE user_id = ?", (teacher,))
        file.commit()

    with pytest.raises(KeyError, match="directory"):
        await import_kolibri(empty, home, watch=Broken())

    assert before[1] > 10
    assert await attempts(teacher) == (200, 0)


@pytest.mark.slow
async def test_a_whole_and_a_partial_facility(empty: DocService, database: Any, home: Path) -> None:
    """Beside a facility of which a Kolibri has some learners, what is gone in its own is withdrawn."""
    (dataset,) = rows(home, "SELECT * FROM kolibriauth_facilitydataset")
    (facility,) = rows(home, "SELECT * FROM kolibriauth_collection WHERE kind = 'facility'")
    (learner,) = rows(home, "SELECT * FROM kolibriauth_facilityuser WHERE id = ?", (LEARNER,))
    other = {"dataset_id": "b" * 32}
    with changing(home) as file:
        insert(file, "kolibriauth_facilitydataset", {**dataset, "id": "b" * 32})
        insert(file, "kolibriauth_collection", {**facility, **other, "id": "c" * 32, "_morango_source_id": "c" * 32})
        for number in range(3):
            person_id = f"{number:032x}"
            fields = {"id": person_id, "username": f"guest{number}", "facility_id": "c" * 32}
            insert(file, "kolibriauth_facilityuser", {**learner, **other, **fields, "_morango_source_id": person_id})
    await import_kolibri(empty, home)
    with changing(home) as file:
        file.execute("DELETE FROM kolibriauth_facilityuser WHERE id IN (?, ?)", (LEARNER, f"{1:032x}"))
        certificate(file, dataset["id"], "full-facility", "a private key")
        certificate(file, dataset["id"], "single-user", "a private key")
        certificate(file, "b" * 32, "single-user", "a private key")

    report = await import_kolibri(empty, home)

    assert withdrawn(report) == {"users": 1}
    assert [note for note in report.notes if note.startswith("Nothing was withdrawn in 1 of 2 facilities:")]
    assert f"{1:032x}" in await ids(database, "facility_users")
    assert LEARNER not in await ids(database, "facility_users")


def of_its_own_superuser(file: sqlite3.Connection) -> None:
    """Make it the device of one learner, who is the superuser of it and has copies of a quiz and a lesson."""
    of_some_learners(file)
    file.execute("UPDATE device_devicepermissions SET user_id = ?, is_superuser = 1", (LEARNER,))
    for kind, table in (("exam", "exams_exam"), ("lesson", "lessons_lesson")):
        (record,) = file.execute(f"SELECT * FROM {table} ORDER BY id LIMIT 1").fetchall()
        file.execute(f"DELETE FROM {table}assignment")
        file.execute(f"DELETE FROM {table}")
        names = ("id", "title", "collection_id", "dataset_id")
        copy = {
            "id": record["id"][::-1],
            f"{kind}_id": record["id"],
            f"serialized_{kind}": json.dumps({name: record[name] for name in names}),
            "user_id": LEARNER,
            "_morango_source_id": "x",
            "_morango_dirty_bit": 0,
        }
        shared = {name: record[name] for name in ("collection_id", "dataset_id", "_morango_partition")}
        insert(file, f"{table.split('_')[0]}_individualsyncable{kind}", {**shared, **copy})


@pytest.mark.slow
async def test_the_device_of_one_learner(empty: DocService, database: Any, home: Path, tmp_path: Path) -> None:
    """A learner who is the superuser of the own device is none here, and the owner of the server stays one; one
    learner's copy of a quiz or lesson takes it away from nobody; visits go on in the facility of the server."""
    device = Path(shutil.copy(home, tmp_path / "device.sqlite3"))
    with changing(device) as file:
        of_its_own_superuser(file)
    alone = await import_kolibri(empty, device)
    quizzes = await documents(database, "exams", "lessons")
    assert (await database.facility_users.find_one({"_id": LEARNER}))["is_superuser"] is False
    assert [each["learner_ids"] for found in quizzes.values() for each in found] == [[LEARNER], [LEARNER]]
    with changing(home) as file:
        (facility,) = file.execute("SELECT * FROM kolibriauth_collection WHERE kind = 'facility'").fetchall()
        (dataset,) = file.execute("SELECT * FROM kolibriauth_facilitydataset").fetchall()
        insert(file, "kolibriauth_facilitydataset", {**dict(dataset), "id": "d" * 32})
        insert(file, "kolibriauth_collection", {**dict(facility), "id": "e" * 32, "dataset_id": "d" * 32})
        file.execute("UPDATE device_devicesettings SET default_facility_id = ?", ("e" * 32,))
    await import_kolibri(empty, home)
    before = await documents(database, *KINDS, "device_settings")

    report = await import_kolibri(empty, device)

    assert before["device_settings"] == [{"_id": "device", "default_facility_id": "e" * 32}]
    assert alone.counts["exams"].new == alone.counts["lessons"].new == 1
    assert (report.changes, report.counts["exams"].kept, report.counts["lessons"].kept) == (0, 1, 1)
    assert await documents(database, *KINDS, "device_settings") == before
    superusers = [
        user["_id"] for user in (await documents(database, "facility_users"))["facility_users"] if user["is_superuser"]
    ]
    assert superusers == [person(home, "owner")]


@pytest.mark.slow
async def test_copies_of_two_learners(empty: DocService, database: Any, home: Path, tmp_path: Path) -> None:
    """Two learners' devices that have a copy of the same quiz each: it is for both, however often they come."""
    (other,) = rows(home, "SELECT id FROM kolibriauth_facilityuser WHERE id <> ? ORDER BY id LIMIT 1", (LEARNER,))
    devices = [Path(shutil.copy(home, tmp_path / name)) for name in ("one.sqlite3", "two.sqlite3")]
    for device in devices:
        with changing(device) as file:
            of_its_own_superuser(file)
    with changing(devices[1]) as file:
        file.execute("UPDATE exams_individualsyncableexam SET user_id = ?", (other["id"],))

    for device in (*devices, *devices):
        report = await import_kolibri(empty, device)

    (quiz,) = (await documents(database, "exams"))["exams"]
    assert quiz["learner_ids"] == [LEARNER, other["id"]]
    assert report.changes == 0
