"""A server that is not the Python engine gets none of the statements that only this engine needs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from docservice import DocService, LogFilters, Page, Principal, StartSession, UpdateSession
from docservice.domain.requests.document_pages import DocumentFilters
from docservice.export import CsvWriter, write_export
from tests.store.other_engine import OtherEngine
from tests.support.large_facility import session

ON_A_SERVER = bool(os.environ.get("DOCSERVICE_TEST_MONGODB_URI"))
BEGIN = datetime(2024, 9, 2, 5, 0, tzinfo=UTC)
CONTENT = {"node_id": "e" * 32, "content_id": "c" * 32, "channel_id": "b" * 32}
SESSIONS = 900
LISTS = ("contentsummarylog", "contentsessionlog", "usersessionlog", "examlog")


@dataclass
class Statements(CommandListener):
    """Notes what is sent, but for what drivers send by themselves."""

    sent: list[tuple[str, Any]] = field(default_factory=list)

    def started(self, event: CommandStartedEvent) -> None:
        """A command goes out."""
        self.sent.append((event.command_name, event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""

    def take(self) -> list[tuple[str, Any]]:
        """What was sent since this was called last."""
        taken, self.sent = self.sent, []
        return taken


@dataclass
class Server:
    """A service over a server that notes its statements.

    Attributes:
        service: entered.
        statements: what it sends.
        plain: whether the server is to be taken for a MongoDB.
    """

    service: DocService
    statements: Statements
    plain: bool


@pytest.fixture(params=["MongoDB", "Python engine"])
async def server(
    mongodb_uri: str, database: Any, recorded_directory: dict[str, Any], request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Server]:
    """The recorded directory on the engine as it is, and under a name that is not its own."""
    plain = request.param == "MongoDB"
    if ON_A_SERVER and not plain:
        pytest.skip("the server of this run is not the Python engine")
    async with OtherEngine(mongodb_uri) as other:
        uri = other.uri if plain and not ON_A_SERVER else mongodb_uri
        statements = Statements()
        async with (
            AsyncMongoClient[dict[str, Any]](uri, event_listeners=[statements]) as client,
            DocService(client[database.name], data_dir=tmp_path) as service,
        ):
            await service.import_directory(recorded_directory)
            statements.take()
            yield Server(service, statements, plain)


@pytest.fixture
def learner(recorded_directory: dict[str, Any]) -> Principal:
    """A learner of the recorded directory."""
    return Principal(user_id=recorded_directory["ids"]["learner1"])


@pytest.fixture
def admin(recorded_directory: dict[str, Any]) -> Principal:
    """The admin of its facility, whose lists are those of everybody."""
    return Principal(user_id=recorded_directory["ids"]["admin"])


def oddities(statements: list[tuple[str, Any]]) -> set[str]:
    """What is in statements that MongoDB needs none of."""
    found: set[str] = set()
    for name, command in statements:
        text = str(dict(command))
        if "recent_actions" in text:
            found.add("marks of transactions")
        if name == "find" and command["find"] == "device_settings" and command["filter"] == {"_id": ""}:
            found.add("reads after a commit")
        if name == "count":
            found.add("sizes of collections")
        if name == "hello":
            found.add("looks at the run of the engine")
        if name == "find" and command.get("filter") == {} and command["find"] in ("content_nodes", "facility_users"):
            found.add("whole collections")
        condition = command.get("filter", {}) if name == "find" else {}
        stages = command["pipeline"] if name == "aggregate" else [{"$match": condition}]
        matches = [stage["$match"] for stage in stages if "$match" in stage]
        if len(matches) > 1:
            found.add("two matches")
        if any("$lte" in str(match.get("_id")) for match in matches):
            found.add("ranges of ids")
        if any(isinstance(of, dict) and len(of.get("$in", ())) > 1000 for match in matches for of in match.values()):
            found.add("long lists of ids")
    return found


async def test_a_start_and_a_report(server: Server, learner: Principal) -> None:
    """A start, a report and a user session are the rule's reads and writes and one commit each; on the Python engine
    the reads after a commit and the marks of transactions are there as well, so this test would see them."""
    person = server.service.acting_as(learner)
    body = {**CONTENT, "kind": "exercise", "mastery_model": {"type": "m_of_n", "m": 3, "n": 5}}
    answer = {"item": "q1", "correct": 1, "time_spent": 1, "answer": {}}

    started = await person.start_session(StartSession.parse(body))
    of_start = server.statements.take()
    await person.update_session(started.session_id, UpdateSession.parse({"interactions": [answer]}))
    of_report = server.statements.take()
    await person.update_user_session()
    of_user_session = server.statements.take()

    if server.plain:
        # The native build of the engine, too, forgets over a restart what it committed.
        marks = set() if server.service.admin.database.traits.remembers_commits else {"marks of transactions"}
        assert oddities([*of_start, *of_report, *of_user_session]) == marks
    else:
        assert oddities(of_report) == {"marks of transactions", "reads after a commit"}
    for statements in (of_start, of_report, of_user_session):
        assert [name for name, _ in statements].count("commitTransaction") == 1


async def fill(service: DocService, database: Any, user_id: str) -> None:
    """Logs that lists and exports show: many contents, and more attempts than a document holds."""
    log = {"user_id": user_id, "channel_id": "b" * 32, "kind": "exercise", "start_timestamp": BEGIN}
    times = {"sessionlog_id": "e" * 32, "start_timestamp": BEGIN, "end_timestamp": BEGIN}
    made = [{"item": f"q{number}", "correct": 1, "complete": True, **times} for number in range(240)]
    mastery = {"mastery_level": 1, "start_timestamp": BEGIN, "end_timestamp": BEGIN, "attempts": made}
    await service.content_summary_logs.save({**log, "content_id": "c" * 32, "mastery_logs": [mastery]})
    summary = await database["content_summary_logs"].find_one({})
    inherited = {name: summary[name] for name in ("dataset_id", "user_id", "_morango_partition")}
    await database["content_session_logs"].insert_many(
        [{**session(number), **inherited, "content_id": f"{number:032x}"} for number in range(SESSIONS)]
    )


@pytest.mark.slow
async def test_lists_and_exports(
    server: Server,
    database: Any,
    learner: Principal,
    admin: Principal,
    recorded_directory: dict[str, Any],
    tmp_path: Path,
) -> None:
    """Lists of everybody and of a learner, and tables, are plain statements. A filtered list of everybody goes through
    ranges of ids on each engine, so that a page ends in time. On the Python engine there are ranges of ids and matches
    in two parts, so this test would see them."""
    facility = recorded_directory["ids"]["facility"]
    await fill(server.service, database, str(learner.user_id))
    server.statements.take()

    lists = 0
    for principal in (learner, admin):
        person = server.service.acting_as(principal)
        for kind in LISTS:
            lists += len((await person.document_page(kind)).results)  # type: ignore[arg-type]
        lists += len([row async for row in person.attempt_logs()])
        lists += len([row async for row in person.mastery_logs(LogFilters())])
        lists += (await person.attempt_log_page(page=Page(10, 3))).count
    of_lists = server.statements.take()
    recent = DocumentFilters(start_after=BEGIN - timedelta(days=1))
    filtered = await server.service.acting_as(admin).document_page("contentsummarylog", recent)
    of_filtered = server.statements.take()
    for table in ("session", "summary", "attempt", "exam"):
        await write_export(server.service, table, facility, tmp_path / f"{table}.csv", CsvWriter)
    of_tables = server.statements.take()

    assert lists > 1000
    assert len(filtered.results) == 1
    assert (tmp_path / "session.csv").read_text(encoding="utf-8-sig").count("\n") == SESSIONS + 1
    if server.plain:
        assert oddities(of_lists) == set()
        assert oddities(of_tables) == set()
        assert oddities(of_filtered) == {"ranges of ids"}
    else:
        assert oddities(of_lists) >= {"ranges of ids"}
        assert oddities(of_tables) >= {"ranges of ids", "sizes of collections"}
        assert oddities(of_filtered) == {"ranges of ids", "two matches"}
