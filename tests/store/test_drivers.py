"""What the repositories need from a database, the same over PyMongo's async client and over Motor."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, get_type_hints

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient, ReplaceOne
from pymongo.errors import PyMongoError
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from docservice import ANONYMOUS, DocService, Principal, StartSession, UpdateSession, errors
from docservice.errors import NotEntered
from docservice.store.database.adapters import adapted
from docservice.store.database.pymongo_db import PyMongoDatabase

DRIVERS: dict[str, Any] = {"pymongo": AsyncMongoClient, "motor": AsyncIOMotorClient}
NOBODY_THERE = "mongodb://127.0.0.1:1/?directConnection=true&serverSelectionTimeoutMS=300"
CONTENT = {"node_id": "a" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "kind": "html5"}


async def close(client: Any) -> None:
    """Close a client of either driver."""
    closed = client.close()
    if closed is not None:
        await closed


class Commands(CommandListener):
    """Notes the commands that a client sends.

    Attributes:
        sent: their names.
        transactions: how many of them began one.
    """

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.transactions = 0

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append(event.command_name)
        self.transactions += "startTransaction" in event.command

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect what the driver left, before another test begins."""
    yield
    gc.collect()


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> Any:
    """The client class of each driver."""
    return DRIVERS[request.param]


@pytest.fixture
def commands() -> Commands:
    """What `handle`'s client sends."""
    return Commands()


@pytest.fixture
async def handle(driver: Any, mongodb_uri: str, database: Any, commands: Commands) -> AsyncIterator[Any]:
    """A program's own database handle: without time zones and with a weak write concern, as programs have it."""
    client = driver(mongodb_uri, w=1, event_listeners=[commands])
    yield client[database.name]
    await close(client)


@pytest.fixture
async def embedded(mongo: Any) -> bool:
    """Whether the server is the Python build of the embedded engine."""
    is_engine = (await mongo.admin.command("hello")).get("setName") == "secantus"
    return is_engine and "storageEngines" not in await mongo.admin.command("buildInfo")


@pytest.fixture
def store(handle: Any) -> PyMongoDatabase:
    """The adapter over the handle, with a deadline that no test here meets."""
    return adapted(handle, timeout_seconds=60)


@pytest.fixture
async def logs(handle: Any, recorded_directory: dict[str, Any]) -> AsyncIterator[DocService]:
    """A service over the handle with the recorded directory."""
    async with DocService(handle) as entered:
        await entered.import_directory(recorded_directory)
        yield entered


async def test_commits_or_keeps_nothing(store: PyMongoDatabase, database: Any) -> None:
    """What an action wrote is there when it returned, and none of it when it failed; its error passes as it is."""

    async def good(tx: Any) -> str:
        await store["things"].insert_one({"_id": 1}, session=tx.session)
        await store["others"].insert_one({"_id": 1}, session=tx.session)
        return "done"

    async def bad(tx: Any) -> None:
        await store["things"].insert_one({"_id": 2}, session=tx.session)
        raise errors.LogNotFound()

    answer = await store.transact(good)
    with pytest.raises(errors.LogNotFound):
        await store.transact(bad)

    assert answer == "done"
    assert [d["_id"] async for d in database["things"].find()] == [1]
    assert await database["others"].count_documents({}) == 1


@pytest.mark.slow
async def test_a_write_conflict_runs_the_action_again(store: PyMongoDatabase, database: Any) -> None:
    """30 transactions that read and write one number at once lose none of them."""
    await database["counters"].insert_one({"_id": 1, "n": 0})
    runs = []
    two_have_read = asyncio.Event()

    async def count(tx: Any) -> None:
        found = await store["counters"].find_one({"_id": 1}, session=tx.session)
        assert found
        runs.append(tx)
        if len(runs) > 1:
            two_have_read.set()
        await two_have_read.wait()
        await store["counters"].update_one({"_id": 1}, {"$set": {"n": found["n"] + 1}}, session=tx.session)

    await asyncio.gather(*(store.transact(count) for _ in range(30)))

    assert (await database["counters"].find_one({"_id": 1}))["n"] == 30
    assert len(runs) > 30


@pytest.mark.slow
async def test_a_cancelled_transaction_keeps_nothing(store: PyMongoDatabase, database: Any) -> None:
    """A transaction that is cut off leaves nothing, no lock either: the next one writes the same document."""
    written = asyncio.Event()

    async def insert(tx: Any) -> None:
        await store["things"].insert_one({"_id": 1}, session=tx.session)

    async def insert_and_wait(tx: Any) -> None:
        await insert(tx)
        written.set()
        await asyncio.Event().wait()

    cut_off = asyncio.create_task(store.transact(insert_and_wait))
    await written.wait()
    cut_off.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut_off

    assert await database["things"].count_documents({}) == 0
    await store.transact(insert)
    assert await database["things"].count_documents({}) == 1


async def test_transactions_of_the_embedded_engine_follow_one_another(store: PyMongoDatabase, embedded: bool) -> None:
    """The Python build stalls under several at once, so it gets one; other servers get all."""
    await store.require_transactions()
    inside, most = 0, 0

    async def wait(tx: Any) -> None:
        nonlocal inside, most
        await store["things"].find_one({"_id": 1}, session=tx.session)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.1)
        inside -= 1

    await asyncio.gather(*(store.transact(wait) for _ in range(4)))

    assert (most == 1) == embedded


@pytest.mark.slow
async def test_a_transaction_waits_for_others_until_its_deadline(
    store: PyMongoDatabase, handle: Any, embedded: bool
) -> None:
    """Who waits too long for those before it is told so, and wrote nothing; those after it are not held up."""
    if not embedded:
        pytest.skip("on other servers no transaction waits for another")
    hurried = adapted(handle, timeout_seconds=3)
    await hurried.require_transactions()
    began, end = asyncio.Event(), asyncio.Event()

    async def insert(tx: Any) -> None:
        await hurried["things"].insert_one({"_id": 1}, session=tx.session)

    async def last_long(tx: Any) -> None:
        await hurried["others"].find_one({"_id": 1}, session=tx.session)
        began.set()
        await end.wait()

    lasting = asyncio.create_task(hurried.transact(last_long))
    async with asyncio.timeout(60):
        await began.wait()
    with pytest.raises(errors.StoreTimeout) as late:
        await hurried.transact(insert)
    lasting.cancel()
    await asyncio.wait([lasting])

    assert late.value.retryable
    assert await store["things"].count_documents({}) == 0
    await hurried.transact(insert)
    assert await store["things"].count_documents({}) == 1


async def test_who_loses_the_race_to_insert_finds_the_document(store: PyMongoDatabase, database: Any) -> None:
    """20 transactions at once that look for a document and insert it when it is not there all succeed; one inserts."""

    async def ensure(tx: Any) -> bool:
        if await store["summaries"].find_one({"_id": "same"}, session=tx.session):
            return False
        await store["summaries"].insert_one({"_id": "same"}, session=tx.session)
        return True

    inserted = await asyncio.gather(*(store.transact(ensure) for _ in range(20)))

    assert inserted.count(True) == 1
    assert await database["summaries"].count_documents({}) == 1


async def test_a_duplicate_that_stays_is_an_error(store: PyMongoDatabase, database: Any) -> None:
    """An action that inserts what is there fails after a few runs, and its other writes are not kept."""
    await database["things"].insert_one({"_id": 1})

    async def insert(tx: Any) -> None:
        await store["others"].insert_one({"_id": 1}, session=tx.session)
        await store["things"].insert_many([{"_id": 1}], session=tx.session)

    with pytest.raises(errors.StoreError):
        await store.transact(insert)

    assert await database["others"].count_documents({}) == 0


@pytest.mark.slow
async def test_a_transaction_ends_at_its_deadline(store: PyMongoDatabase, handle: Any, database: Any) -> None:
    """An action that meets conflicts until its deadline has passed is a timeout soon after, and wrote nothing."""
    await store["counters"].insert_one({"_id": 1, "n": 0})  # The connection is there before the deadline counts.
    hurried = adapted(handle, timeout_seconds=1.5)
    runs = []

    async def conflict(tx: Any) -> None:
        runs.append(tx)
        await hurried["counters"].find_one({"_id": 1}, session=tx.session)
        await database["counters"].update_one({"_id": 1}, {"$inc": {"n": 1}})
        await hurried["counters"].update_one({"_id": 1}, {"$inc": {"n": 100}}, session=tx.session)

    before = time.monotonic()
    with pytest.raises(errors.StoreTimeout) as late:
        await hurried.transact(conflict)

    assert late.value.retryable
    assert time.monotonic() - before < 30  # The driver itself would try for two minutes.
    assert len(runs) > 1
    # Each run disturbs itself once, but for the last, which its deadline may cut off before; no hundred was kept.
    assert (await database["counters"].find_one({"_id": 1}))["n"] in (len(runs), len(runs) - 1)


async def test_a_deadline_reaches_the_driver(store: PyMongoDatabase, handle: Any, database: Any) -> None:
    """A statement that begins after its block's deadline is a timeout, and the connection stays usable."""
    hurried = adapted(handle, timeout_seconds=0.2)
    await store.command({"ping": 1})

    async def late() -> None:
        with hurried.guarded():
            await asyncio.sleep(0.3)
            await hurried["things"].insert_one({"_id": 1})

    with pytest.raises(errors.StoreTimeout):
        await late()

    assert await database["things"].count_documents({}) == 0
    assert (await store.command({"ping": 1}))["ok"] == 1


# PyMongo leaves sockets to the collector when it is cancelled while it connects.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_no_server(driver: Any) -> None:
    """A server that is not there is unavailable, soon, for every way to ask."""
    client = driver(NOBODY_THERE)
    store = adapted(client["nothing"], timeout_seconds=0.5)

    async def nothing(tx: Any) -> None:
        await store["things"].insert_one({"_id": 1}, session=tx.session)

    with pytest.raises(errors.StoreUnavailable) as caught:
        await store.transact(nothing)
    with pytest.raises(errors.StoreUnavailable):
        await store.command({"ping": 1})
    with pytest.raises(errors.StoreUnavailable):
        await anext(store.stream("things", {}))
    with pytest.raises(errors.StoreUnavailable):
        await anext(store.aggregate("things", []))
    logs = DocService(client["nothing"], timeout_seconds=0.5)
    for _ in range(2):  # a program may try again
        with pytest.raises(errors.StoreUnavailable):
            await logs.__aenter__()
    await close(client)

    assert caught.value.retryable
    assert "Topology" not in str(caught.value)


async def test_documents_come_as_written(store: PyMongoDatabase, database: Any) -> None:
    """Times are aware whatever the program's client is set to; every statement of the port works."""
    things = store["things"]
    moment = datetime(2024, 9, 2, 5, 12, 24, 158000, tzinfo=UTC)

    await things.insert_one({"_id": 1, "at": moment})
    await things.insert_many([{"_id": n} for n in range(2, 5)])
    await things.replace_one({"_id": 2}, {"_id": 2, "n": 2})
    await things.update_one({"_id": 9}, {"$set": {"n": 9}}, upsert=True)
    await things.bulk_write([ReplaceOne({"_id": 3}, {"_id": 3, "n": 3})], ordered=False)
    await things.delete_one({"_id": 4})
    name = await things.create_index([("n", 1)], name="by_n")
    known = dict(await things.index_information())
    await things.drop_index(name)

    assert (await things.find_one({"_id": 1}))["at"] == moment  # type: ignore[index]
    found = [d async for d in things.find({"n": {"$exists": True}}, {"n": 1}, sort=[("_id", -1)], limit=2)]
    assert found == [{"_id": 9, "n": 9}, {"_id": 3, "n": 3}]
    assert await things.count_documents({}) == 4
    assert known["by_n"]["key"] == [("n", 1)]
    assert set(await things.index_information()) == {"_id_"}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["stream", "aggregate"])
@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 350])
async def test_streams_bring_everything_once(store: PyMongoDatabase, way: str, size: int) -> None:
    """A stream has all documents, whatever the batches, also when it is read slower than its deadline allows."""
    if size:
        await store["things"].insert_many([{"_id": n} for n in range(size)])

    rows = store.stream("things", {}, sort=[("_id", 1)]) if way == "stream" else store.aggregate("things", [])

    assert sorted([row["_id"] async for row in rows]) == list(range(size))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["stream", "aggregate"])
async def test_a_stream_closed_early_frees_the_server(store: PyMongoDatabase, commands: Commands, way: str) -> None:
    """The server's cursor of a stream that nobody reads to its end is killed when the stream is closed."""
    await store["things"].insert_many([{"_id": n} for n in range(500)])
    rows = store.stream("things", {}) if way == "stream" else store.aggregate("things", [])

    async with aclosing(rows) as reading:
        await anext(reading)

    assert "killCursors" in commands.sent


@pytest.mark.slow
@pytest.mark.parametrize("way", ["stream", "aggregate"])
@pytest.mark.parametrize("after_seconds", [0, 0.001, 0.01])
async def test_a_read_may_be_cancelled(store: PyMongoDatabase, way: str, after_seconds: float) -> None:
    """A reader that is cancelled anywhere leaves the database usable."""
    await store["things"].insert_many([{"_id": n, "text": "x" * 100} for n in range(1000)])

    async def read() -> int:
        rows = store.stream("things", {}) if way == "stream" else store.aggregate("things", [])
        async with aclosing(rows) as reading:
            return len([row async for row in reading])

    reader = asyncio.create_task(read())
    await asyncio.sleep(after_seconds)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)

    assert await read() == 1000


@pytest.mark.slow
@pytest.mark.parametrize("way", ["stream", "aggregate"])
async def test_a_stream_may_be_read_slowly(store: PyMongoDatabase, handle: Any, way: str) -> None:
    """The deadline is for each batch, not for what the reader does between."""
    await store["things"].insert_many([{"_id": n} for n in range(150)])
    hurried = adapted(handle, timeout_seconds=1)
    rows = hurried.stream("things", {}) if way == "stream" else hurried.aggregate("things", [])

    count = 0
    async for _ in rows:
        count += 1
        if count == 50:
            await asyncio.sleep(1.2)

    assert count == 150


async def test_a_bad_pipeline_is_our_error(store: PyMongoDatabase) -> None:
    """What the server refuses is a store error, not the driver's."""
    with pytest.raises(errors.StoreError):
        await anext(store.aggregate("things", [{"$nonsense": 1}]))


async def test_writes_are_acknowledged_by_the_majority(store: PyMongoDatabase, handle: Any) -> None:
    """The program's weaker write concern is not ours, and ours does not become the program's."""
    concern: Any = store["things"]

    assert concern.write_concern.document == {"w": "majority", "j": True}
    assert handle["things"].write_concern.document == {"w": 1}
    assert not handle.codec_options.tz_aware


async def test_a_cancelled_write_is_finished(
    logs: DocService, handle: Any, commands: Commands, database: Any, recorded_directory: dict[str, Any]
) -> None:
    """A caller that goes away in the middle of a write does not undo it, also when the service is left at once."""
    learner = Principal(user_id=recorded_directory["ids"]["learner1"])
    async with DocService(handle, apply_indexes=False) as other:
        visit = await other.acting_as(learner).start_session(StartSession(**CONTENT))
        report = UpdateSession(time_spent_delta=7)
        asked = asyncio.create_task(other.acting_as(learner).update_session(visit.session_id, report))
        before = commands.transactions
        while commands.transactions == before:  # noqa: ASYNC110 - Motor's listener is called in a thread
            await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    assert (await database["content_session_logs"].find_one({"_id": visit.session_id}))["time_spent"] == 7


async def test_many_tabs_lose_nothing(logs: DocService, handle: Any, recorded_directory: dict[str, Any]) -> None:
    """Two services over one handle in one loop, which know nothing of each other's queues, add up every report."""
    learner = Principal(user_id=recorded_directory["ids"]["learner1"])
    async with DocService(handle, apply_indexes=False) as other:
        visit = await logs.acting_as(learner).start_session(StartSession(**CONTENT))
        await asyncio.gather(
            *(
                each.acting_as(learner).update_session(visit.session_id, UpdateSession(time_spent_delta=1))
                for each in (logs, other)
                for _ in range(10)
            )
        )

    [summary] = [log async for log in logs.content_summary_logs.find(user_id=learner.user_id)]
    assert summary.time_spent == 20


async def test_anonymous_visits_and_pages(logs: DocService, recorded_directory: dict[str, Any]) -> None:
    """Lists, documents and aggregations answer over either driver."""
    admin = Principal(user_id=recorded_directory["ids"]["admin"])
    learner = Principal(user_id=recorded_directory["ids"]["learner1"])
    for principal in (learner, ANONYMOUS):
        await logs.acting_as(principal).start_session(StartSession(**CONTENT))

    page = await logs.acting_as(admin).document_page("contentsummarylog")

    assert [found["user_id"] for found in page.results] == [learner.user_id]
    assert (await logs.acting_as(learner).mastery_log_page()).rows == []
    assert await logs.content_session_logs.count() == 2
    assert (await logs.admin.check_indexes()).complete


async def test_a_borrowed_handle_stays_open(driver: Any, mongodb_uri: str, database: Any) -> None:
    """The program goes on with its client when the service is left, in good order, by an error, or not entered."""
    client = driver(mongodb_uri)
    handle = client[database.name]

    async with DocService(handle):
        pass
    with pytest.raises(ZeroDivisionError):
        async with DocService(handle):
            raise ZeroDivisionError
    async with DocService(handle) as again:
        await again.ping()

    assert (await handle.command("ping"))["ok"] == 1
    await close(client)


async def test_a_client_that_was_closed_is_our_error(driver: Any, mongodb_uri: str, database: Any) -> None:
    """A program that closes its client too early gets an error of ours, not the driver's."""
    client = driver(mongodb_uri)
    logs = DocService(client[database.name], apply_indexes=False)

    async with logs:
        await close(client)
        with pytest.raises(errors.StoreError):
            await logs.ping()


def test_a_client_of_another_loop_is_told(mongodb_uri: str, driver: Any) -> None:
    """A handle whose client worked in another event loop is refused with words, not with a hang."""
    held = []

    async def first() -> None:
        client = driver(mongodb_uri)
        await client.admin.command("ping")
        held.append(client)

    async def second() -> None:
        await DocService(held[0]["nothing"]).__aenter__()

    with asyncio.Runner() as one, asyncio.Runner() as two:
        one.run(first())
        with pytest.raises(RuntimeError, match="loop"):
            two.run(second())
        one.run(close(held[0]))


async def test_an_own_client_is_closed(mongodb_uri: str, database: Any) -> None:
    """What the service made itself it closes: nothing can be asked of it any more, and entering again makes another."""
    logs = DocService(mongodb_uri, database=database.name)

    async with logs:
        held = logs.content_session_logs
        await logs.ping()
    with pytest.raises(errors.StoreError):
        await held.count()
    async with logs:
        await logs.ping()


async def test_before_and_after_it_is_entered(mongodb_uri: str, handle: Any) -> None:
    """A service that is not entered, or left, says so; one that is entered is not entered twice."""
    logs = DocService(handle, apply_indexes=False)
    for _ in range(2):
        with pytest.raises(NotEntered, match="async with"):
            await logs.acting_as(ANONYMOUS).start_session(StartSession(**CONTENT))
        with pytest.raises(NotEntered, match="async with"):
            logs.content_session_logs  # noqa: B018
        async with logs:
            with pytest.raises(RuntimeError, match="entered already"):
                await logs.__aenter__()
            await logs.ping()
            assert logs.engine is None
            with pytest.raises(ValueError, match="the program's own"):
                logs.connection_string  # noqa: B018

    assert DocService(mongodb_uri).connection_string == mongodb_uri


def test_annotations_can_be_read() -> None:
    """Programs that read the annotations of what they construct can do so, with Motor and without."""
    assert get_type_hints(DocService.__init__)["database"] == str | None


async def test_what_is_no_source(mongodb_uri: str, handle: Any) -> None:
    """Clients and blocking databases are refused when the service is made, with what to give instead."""
    with MongoClient[dict[str, Any]](mongodb_uri) as blocking:
        sources: tuple[Any, ...] = (blocking, blocking["logs"], handle.client, handle["things"], 1, {})
        for wrong in sources:
            with pytest.raises(TypeError, match=r"AsyncDatabase.*client\['logs'\]"):
                DocService(wrong)
    with pytest.raises(ValueError, match="has a name"):
        DocService(handle, database="other")


async def test_errors_inside_are_the_drivers(store: PyMongoDatabase) -> None:
    """Inside an action the driver's errors pass, for the driver to see; outside they are ours."""
    seen = []

    async def refused(tx: Any) -> None:
        try:
            await store["things"].update_one({"_id": 1}, {"$nonsense": 1}, session=tx.session)
        except PyMongoError as error:
            seen.append(error)
            raise

    with pytest.raises(errors.StoreError):
        await store.transact(refused)

    assert len(seen) == 1
