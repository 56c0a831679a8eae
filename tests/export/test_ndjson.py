"""A backup holds everything, comes back as it was, and spoils nothing that is there."""

from __future__ import annotations

import asyncio
import gzip
import json
import stat
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import date
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import ObjectId, json_util
from bson.raw_bson import RawBSONDocument

from docservice import ANONYMOUS, DocService, Principal, SaveExamLog, StartSession, UpdateSession
from docservice.domain.requests.csv_exports import CsvLogRequest
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.errors import ExportError, SettingsInvalid
from docservice.export.backup import RestoreReport, export_ndjson, import_ndjson
from docservice.service.base.progress import NoWatch
from docservice.store.mapping.extended_json import from_line
from docservice.store.mapping.schema import LEFT_OUT

CONTENT = {"node_id": "e" * 32, "content_id": "c" * 32, "channel_id": "b" * 32}
QUIZ = {**CONTENT, "kind": "exercise", "mastery_model": {"type": "quiz"}}
VIDEO = {**CONTENT, "content_id": "9" * 32, "kind": "video"}
ODD = {"$date": 1, "$oid": "no id", "a.b": {"$set": [10**30, -(10**60), 2**62]}, "$ref": "x", "n": 1.0, "é": None}
"""An answer in which Extended JSON would see other things than it holds."""


@pytest.fixture
async def empty(mongodb_uri: str, mongo: Any) -> AsyncIterator[DocService]:
    """A service over another database, which is empty."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with DocService(mongodb_uri, database=name, apply_indexes=False) as entered:
        yield entered
    await mongo.drop_database(name)


async def answer(service: DocService, who: Principal, body: dict[str, Any], number: int) -> None:
    """A visit with so many answers."""
    started = await service.acting_as(who).start_session(StartSession.parse(body), idempotency_key=uuid.uuid4().hex)
    for first in range(0, number, 60):
        items = range(first, min(first + 60, number))
        interactions = [{"item": f"q{n}", "correct": n % 2, "time_spent": n, "answer": ODD} for n in items]
        await service.acting_as(who).update_session(
            started.session_id, UpdateSession.parse({"interactions": interactions})
        )


@pytest.fixture(scope="module")
async def worked(mongodb_uri: str, mongo: Any, recorded_directory: dict[str, Any]) -> AsyncIterator[DocService]:
    """A service with every kind of document; all tests here read it and none leaves a change."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with DocService(mongodb_uri, database=name) as entered:
        await entered.import_directory(recorded_directory)
        await work(entered, mongo[name], recorded_directory)
        yield entered
    await mongo.drop_database(name)


async def work(service: DocService, database: Any, recorded_directory: dict[str, Any]) -> None:
    """Logs that have moved attempts, odd answers, requests, settings, fields of somebody's own."""
    ids = recorded_directory["ids"]
    one, two = Principal(user_id=ids["learner1"]), Principal(user_id=ids["learner2"])
    await answer(service, one, QUIZ, 230)
    await answer(service, two, QUIZ, 3)
    await answer(service, one, VIDEO, 210)
    await answer(service, ANONYMOUS, VIDEO, 2)
    device = {"os": {"name": "Linux", "major": "6"}, "browser": {"name": "Firefox", "major": "130"}}
    await service.acting_as(one).update_user_session(ReportActivity.parse({"active": True, **device}))
    await service.acting_as(one).save_exam_log(SaveExamLog(exam=ids["quiz01"], user=one.user_id))
    asked = CsvLogRequest.parse({"facility": ids["default_facility"], "log_type": "session"})
    await service.acting_as(Principal(user_id=ids["superuser"])).create_csv_request(asked)
    row = {"id": "x", "time_spent": b"\xff", "extra_fields": "{"}
    await database["import_set_aside"].insert_one(
        {"_id": "attemptlog:x", "model_name": "attemptlog", "record_id": "x", "reason": "id is not an id", "row": row}
    )
    await service.admin.data_sets.begin("d" * 32, {"learners": 3}, date(2026, 1, 31))
    await service.admin.data_sets.finish("d" * 32, {"exams": 1})
    await database["content_summary_logs"].update_one({}, {"$set": {"own field": ObjectId()}})
    node = {"id": "1" * 32, "content_id": "c" * 32, "channel_id": "b" * 32, "kind": "exercise", "lft": 2**40}
    await service.import_directory({"content_nodes": [node], "channels": [{"id": "b" * 32, "thing": {"$x": [1]}}]})


@pytest.fixture(scope="module")
async def backup(worked: DocService, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of it."""
    path = tmp_path_factory.mktemp("export") / "a.ndjson"
    await export_ndjson(worked, path)
    return path


async def everything(mongo: Any, name: str) -> dict[str, dict[Any, bytes]]:
    """All documents of a database as their bytes, by collection and id; what is not exported is left out."""
    codec = bson.CodecOptions(document_class=RawBSONDocument)
    found: dict[str, dict[Any, bytes]] = {}
    for listed in await (await mongo[name].list_collections()).to_list(None):
        collection = listed["name"]
        if listed["type"] == "collection" and collection not in LEFT_OUT and not collection.startswith("system."):
            documents = await mongo[name].get_collection(collection, codec_options=codec).find({}).to_list(None)
            if documents:
                found[collection] = {document["_id"]: document.raw for document in documents}
    return found


def names_in(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(entry.name for entry in folder.iterdir())


def lines_in(path: Path) -> list[str]:
    """The lines of a file, with their ends."""
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def name_of(service: DocService) -> str:
    """The name of a service's database."""
    return service.admin.database.name


def fates(report: RestoreReport) -> dict[str, int]:
    """What became of all lines."""
    names = ("read", "written", "replaced", "unchanged", "refused")
    return {name: sum(getattr(counts, name) for counts in report.counts.values()) for name in names}


@pytest.mark.parametrize("file", ["all.ndjson", "all.ndjson.gz"])
async def test_there_and_back(worked: DocService, empty: DocService, mongo: Any, tmp_path: Path, file: str) -> None:
    """What is imported into an empty database is byte for byte what was exported; again nothing changes."""
    exported = await export_ndjson(worked, tmp_path / file)
    first = await import_ndjson(empty, tmp_path / file)
    there = await everything(mongo, name_of(worked))
    back = await everything(mongo, name_of(empty))
    again = await import_ndjson(empty, tmp_path / file)

    assert back == there
    assert len(there["attempt_overflow"]) >= 4
    assert len(there) == 19
    assert dict(exported.documents) == {name: len(documents) for name, documents in there.items()}
    total = exported.documents.total()
    assert (first.flaws, again.flaws, first.refusals) == ([], [], {})
    assert fates(first) == {"read": total, "written": total, "replaced": 0, "unchanged": 0, "refused": 0}
    assert fates(again) == {"read": total, "written": 0, "replaced": 0, "unchanged": total, "refused": 0}
    assert await everything(mongo, name_of(empty)) == there


async def test_the_file(worked: DocService, tmp_path: Path) -> None:
    """Each line is one object; only the owner reads the file; a gzipped one unpacks to the same lines."""
    await export_ndjson(worked, tmp_path / "a.ndjson")
    await export_ndjson(worked, tmp_path / "a.ndjson.gz")

    lines = (tmp_path / "a.ndjson").read_text(encoding="utf-8").splitlines()
    head, *between, end = map(json.loads, lines)

    assert stat.S_IMODE((tmp_path / "a.ndjson").stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["a.ndjson", "a.ndjson.gz"]
    unpacked = gzip.decompress((tmp_path / "a.ndjson.gz").read_bytes()).decode().splitlines()
    assert sorted(unpacked[1:-1]) == sorted(lines[1:-1])
    assert head["docservice"]["format"] == 1
    assert sum(end["docservice"]["documents"].values()) == len(between)
    [first] = [line for line in between if line["collection"] == "user_session_logs"]
    assert set(first["document"]["start_timestamp"]) == {"$date"}
    owners = [line["collection"] for line in between]
    assert owners.index("attempt_overflow") > owners.index("content_summary_logs")


async def test_nothing_secret_leaves(worked: DocService, mongo: Any, tmp_path: Path) -> None:
    """Neither a password that somebody put into the directory, nor kept answers, nor other settings are in the file."""
    database = mongo[name_of(worked)]
    await database["facility_users"].update_one({}, {"$set": {"password": "pbkdf2-secret"}})
    await database["device_settings"].insert_one({"_id": "signing", "key": "settings-secret"})
    await database["own_notes"].insert_one({"text": "own-secret"})
    assert await database["idempotency_keys"].count_documents({}) > 0

    exported = await export_ndjson(worked, tmp_path / "a.ndjson")
    await database["facility_users"].update_one({"password": {"$exists": True}}, {"$unset": {"password": 1}})
    await database["device_settings"].delete_one({"_id": "signing"})
    await database.drop_collection("own_notes")

    text = (tmp_path / "a.ndjson").read_text(encoding="utf-8")
    assert "secret" not in text
    assert '"idempotency_keys"' not in text
    assert set(exported.left_out) == {*LEFT_OUT, "own_notes"}


class Failing(NoWatch):
    """A watch that ends the work it watches."""

    def advance(self, part: str, steps: int = 1) -> None:
        """Fail."""
        raise RuntimeError(part)


async def test_an_export_that_fails_leaves_the_old_file(worked: DocService, tmp_path: Path) -> None:
    """What was there stays as it was, and nothing half-written is left beside it."""
    path = tmp_path / "a.ndjson"
    path.write_text("old")

    with pytest.raises(RuntimeError):
        await export_ndjson(worked, path, watch=Failing())
    with pytest.raises(ExportError, match=r"cannot be written.*nowhere"):
        await export_ndjson(worked, tmp_path / "nowhere" / "a.ndjson")

    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.ndjson"]


async def test_a_log_is_of_one_moment(
    service: DocService, empty: DocService, recorded_directory: dict[str, Any], tmp_path: Path
) -> None:
    """While a learner goes on answering, each export holds as many attempts of a try as the try counts."""
    who = Principal(user_id=recorded_directory["ids"]["learner1"])
    visit = await service.acting_as(who).start_session(StartSession.parse(QUIZ))
    answered, enough = 0, asyncio.Event()

    async def go_on() -> None:
        nonlocal answered
        while not enough.is_set():
            items = range(answered, answered + 60)
            interactions = [{"item": f"q{n}", "correct": n % 2, "time_spent": n, "answer": ODD} for n in items]
            await service.acting_as(who).update_session(
                visit.session_id, UpdateSession.parse({"interactions": interactions})
            )
            answered += 60

    writer = asyncio.create_task(go_on())
    beside = 0
    while beside < 3 or answered < 660:  # exports during which a report was written, until there are buckets
        before = answered
        await export_ndjson(service, tmp_path / "a.ndjson")
        assert not writer.done(), writer.exception()
        beside += answered > before
        counted, found = 0, []
        for line in (tmp_path / "a.ndjson").read_text(encoding="utf-8").splitlines():
            if '"collection":"content_summary_logs"' in line or '"collection":"attempt_overflow"' in line:
                _, document = from_line(line)
                counted += sum(log["attempt_count"] for log in document.get("mastery_logs", ()))
                shelves = [log["attempts"] for log in document.get("mastery_logs", ())]
                found += [a["id"] for shelf in (*shelves, document.get("attempts", ())) for a in shelf]
        assert len(found) == len(set(found)) == counted
        assert before <= counted <= answered + 60  # a report may be written and not answered yet
    enough.set()
    await writer

    await export_ndjson(service, tmp_path / "a.ndjson")
    await import_ndjson(empty, tmp_path / "a.ndjson")

    [summary] = [log async for log in empty.content_summary_logs.find()]
    assert len([attempt async for attempt in empty.content_summary_logs.attempts(summary)]) == answered


async def test_cut_short_and_completed(
    worked: DocService, backup: Path, empty: DocService, mongo: Any, tmp_path: Path
) -> None:
    """A file that ends early says so; the whole one completes it, also after a cut between a log and its buckets."""
    part, packed = tmp_path / "part.ndjson", tmp_path / "part.ndjson.gz"
    lines = lines_in(backup)
    behind_log = next(n for n, line in enumerate(lines) if '"collection":"attempt_overflow"' in line)
    part.write_text("".join(lines[:behind_log]) + lines[behind_log][:100], encoding="utf-8")
    packed.write_bytes(gzip.compress("".join(lines).encode())[:-2000])

    short = await import_ndjson(empty, part)
    damaged = await import_ndjson(empty, packed)
    whole = await import_ndjson(empty, backup)

    assert len(short.flaws) == len(damaged.flaws) == 1
    assert "cut short" in short.flaws[0]
    assert "cut short" in damaged.flaws[0]
    assert short.refusals == {behind_log + 1: "it is not Extended JSON"}
    assert (whole.flaws, fates(whole)["refused"]) == ([], 0)
    assert await everything(mongo, name_of(empty)) == await everything(mongo, name_of(worked))


async def test_a_line_that_is_lost_is_noticed(backup: Path, empty: DocService, tmp_path: Path) -> None:
    """The last line counts the others; lines picked out by hand, without first and last, are not flaw."""
    lines = lines_in(backup)
    (tmp_path / "lost.ndjson").write_text("".join([*lines[:3], *lines[4:]]), encoding="utf-8")
    (tmp_path / "some.ndjson").write_text("".join(lines[2:5]), encoding="utf-8")

    assert (await import_ndjson(empty, tmp_path / "some.ndjson")).flaws == []
    [flaw] = (await import_ndjson(empty, tmp_path / "lost.ndjson")).flaws
    assert "does not hold" in flaw


def changed(line: str, change: Callable[[dict[str, Any]], None]) -> str:
    """A line with another document in it."""
    content = json_util.loads(line)
    document = bson.decode(content["bson"]) if "bson" in content else content["document"]
    change(document)
    return json.dumps({"collection": content["collection"], "bson": json.loads(json_util.dumps(bson.encode(document)))})


def putting(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """A change that puts values into fields; `__` leads into embedded documents, numbers into lists."""

    def change(document: dict[str, Any]) -> None:
        for path, value in fields.items():
            *way, last = path.split("__")
            inner: Any = document
            for step in way:
                inner = inner[int(step)] if step.isdecimal() else inner[step]
            inner[last] = value

    return change


SUMMARY, BUCKET, NODE, USER = "content_summary_logs", "attempt_overflow", "content_nodes", "facility_users"
WRONG: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    "progress is text": (SUMMARY, putting(progress="1"), "progress"),
    "a time is text": (SUMMARY, putting(start_timestamp="2024-09-02T05:00:00Z"), "start_timestamp"),
    "no kind": (SUMMARY, lambda document: document.pop("kind"), "kind"),
    "another version": (SUMMARY, putting(schema_version=99), "schema_version"),
    "the id is none": (SUMMARY, putting(_id="ABC"), "id"),
    "the partition is another's": (SUMMARY, putting(_morango_partition="f" * 32), "_morango_partition"),
    "an attempt is wrong": (SUMMARY, putting(mastery_logs__0__attempts__3__correct="7"), "mastery_logs.0.attempts.3"),
    "no JSON in an answer": (SUMMARY, putting(mastery_logs__0__attempts__0__answer={"x": ObjectId()}), "ObjectId"),
    "NaN in an answer": (SUMMARY, putting(mastery_logs__0__attempts__0__answer={"x": float("nan")}), "finite"),
    "tries are not list": (SUMMARY, putting(mastery_logs={}), "mastery_logs"),
    "a bucket of another log": (BUCKET, putting(log_id="f" * 32), "bucket"),
    "a bucket without attempts": (BUCKET, putting(attempts=[]), "attempts"),
    "a bucket with a wrong span": (BUCKET, putting(last_start_timestamp=None), "last_start_timestamp"),
    "a node without content": (NODE, putting(content_id=None), "content_id"),
    "a person without a name": (USER, putting(username=""), "username"),
    "another setting": ("device_settings", putting(_id="signing"), "setting"),
    "a request without a number": ("csv_log_requests", putting(_id="one"), "number"),
}


@pytest.fixture
async def line_of(backup: Path) -> Callable[[str], str]:
    """The first line of an export that holds a document of a collection."""
    lines = lines_in(backup)
    return lambda collection: next(line.strip() for line in lines if json.loads(line).get("collection") == collection)


async def test_lines_that_are_refused(
    line_of: Callable[[str], str], empty: DocService, mongo: Any, tmp_path: Path
) -> None:
    """A line that holds no document of this service is refused with its number and a reason; the others are written."""
    wrong: list[tuple[bytes, str]] = [
        (changed(line_of(collection), change).encode(), named) for collection, change, named in WRONG.values()
    ]
    wrong += [
        (b"not json", "Extended JSON"),
        (b'"text"', "collection"),
        (b'{"collection": "exams"}', "_id"),
        (b'{"collection": "exams", "document": {"_id": {"$oid": "x"}}}', "Extended JSON"),
        (b'{"collection": "exams", "bson": {"$binary": {"base64": "AAAA", "subType": "00"}}}', "bson"),
        (b'{"collection": "system.users", "document": {"_id": "x"}}', "collection"),
        (b'{"collection": "idempotency_keys", "document": {"_id": "x"}}', "collection"),
        (b'{"collection": "exams", "document": {"_id": "\xff"}}', "Extended JSON"),
        (line_of(BUCKET).encode(), "does not follow its log"),
    ]
    good = line_of(NODE).encode()
    path = tmp_path / "wrong.ndjson"
    path.write_bytes(b"\n".join([*(line for line, _ in wrong), good, good]))

    report = await import_ndjson(empty, path)

    assert fates(report) == {
        "read": len(wrong) + 2,
        "written": 1,
        "replaced": 0,
        "unchanged": 0,
        "refused": len(wrong) + 1,
    }
    assert len(report.refusals) == 20
    assert {name: len(found) for name, found in (await everything(mongo, name_of(empty))).items()} == {NODE: 1}
    for number, (line, named) in enumerate(wrong, 1):
        path.write_bytes(line)
        alone = await import_ndjson(empty, path)
        assert list(alone.refusals) == [1]
        assert named in alone.refusals[1], (number, alone.refusals)


async def test_what_differs_stays(
    backup: Path, empty: DocService, mongo: Any, recorded_directory: dict[str, Any]
) -> None:
    """A log that went on here is not overwritten, and no bucket of the file's version comes beside it; unless asked."""
    await import_ndjson(empty, backup)
    exported = await everything(mongo, name_of(empty))
    who = Principal(user_id=recorded_directory["ids"]["learner1"])
    await answer(empty, who, QUIZ, 240)
    went_on = await everything(mongo, name_of(empty))
    assert len(went_on["attempt_overflow"]) > len(exported["attempt_overflow"])

    refused = await import_ndjson(empty, backup)
    after_refusal = await everything(mongo, name_of(empty))
    replaced = await import_ndjson(empty, backup, replace=True)

    assert fates(refused)["written"] == fates(refused)["replaced"] == 0
    assert any("different document" in reason and "--replace" in reason for reason in refused.refusals.values())
    assert after_refusal == went_on
    assert fates(replaced)["refused"] == 0
    back = await everything(mongo, name_of(empty))
    assert back["attempt_overflow"] == exported["attempt_overflow"]
    assert back["content_summary_logs"] == exported["content_summary_logs"]


async def test_a_newer_format_is_refused(empty: DocService, tmp_path: Path) -> None:
    """A file of a later version says so before anything is written."""
    path = tmp_path / "a.ndjson"
    path.write_text('{"docservice":{"format":2}}\n', encoding="utf-8")

    with pytest.raises(SettingsInvalid, match="format 2"):
        await import_ndjson(empty, path)
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        await import_ndjson(empty, tmp_path / "nowhere.ndjson")


DEEP = "[" * 200_000 + "]" * 200_000
REQUEST = {"_id": 1, "facility": "a" * 32, "log_type": "session", "_recorded": {}}


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        (f'{{"docservice":{DEEP}}}', "damaged"),
        ('{"docservice":{"format":1,"documents":{"exams":"x"}}}', "cut short"),
        ('{"docservice":{"format":1,"documents":{"exams":null}}}', "cut short"),
    ],
)
async def test_a_head_of_nonsense(empty: DocService, tmp_path: Path, line: str, flaw: str) -> None:
    """It is told, and no fault of the program."""
    (tmp_path / "a.ndjson").write_text(line + "\n")

    report = await import_ndjson(empty, tmp_path / "a.ndjson")

    assert flaw in report.flaws[0]


@pytest.mark.parametrize(
    ("collection", "document"),
    [
        ("exams", {"_id": "a" * 32, "x": json.loads("[" * 400 + "]" * 400)}),
        ("csv_log_requests", REQUEST | {"_id": True}),
        ("csv_log_requests", REQUEST | {"log_type": "../../x"}),
        ("csv_log_requests", REQUEST | {"_recorded": {"date_requested": "soon"}}),
        ("csv_log_requests", REQUEST | {"_recorded": {"date_requested": 3}}),
        ("device_settings", {"_id": "csv_log_requests", "last_id": True}),
        ("import_set_aside", {"_id": "attemptlog:x", "model_name": "attemptlog", "reason": "", "row": []}),
        ("generated_data_sets", {"_id": "d" * 32, "plan": {}, "until": "soon"}),
        ("csv_exports", {"_id": "x"}),
    ],
)
async def test_no_document_of_ours(
    empty: DocService, mongo: Any, tmp_path: Path, collection: str, document: dict[str, Any]
) -> None:
    """A line that would break what reads it is refused."""
    line = json.dumps({"collection": collection, "document": document})
    (tmp_path / "a.ndjson").write_text(line + "\n")

    report = await import_ndjson(empty, tmp_path / "a.ndjson")

    assert fates(report)["refused"] == 1
    assert await mongo[name_of(empty)][collection].find_one({}) is None
