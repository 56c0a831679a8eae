"""`LogClient` against a running service, and against what goes wrong between the two."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from docservice import ChangeExamAttempt, ChangeExamLog, DocService, SaveExamAttempt, SaveExamLog
from docservice.client import LogClient, Retries
from docservice.domain.requests.document_pages import DocumentFilters
from docservice.domain.requests.lists import LogFilters
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.errors import (
    InvalidReference,
    LogNotFound,
    NotEntered,
    NotSignedIn,
    ServiceUnavailable,
    StoreUnavailable,
    Unauthenticated,
    UnexpectedAnswer,
    UnstorableValue,
    ValidationFailed,
)
from docservice.identity import TokenVerifier, issue_token
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity
from tests.support.signing import SECRET

from .asking import M_OF_N, interaction, start_body

pytestmark = pytest.mark.shared_service

QUICK = Retries(attempts=4, first_delay_seconds=0.01, longest_delay_seconds=1)

Fault = Callable[[web.Request, Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[web.StreamResponse]]


class Line:
    """A service below a prefix, and what comes between it and its clients.

    Attributes:
        faults: used up one a request; each may answer itself, or spoil the service's answer.
        keys: the `Idempotency-Key` of each request that came through.
        base: the service's URL, the same after a restart.
    """

    base: str

    def __init__(self, service: DocService) -> None:
        self.faults: list[Fault] = []
        self.keys: list[str | None] = []
        self.requests = 0
        self._service = service
        self._port = 0

    async def up(self) -> None:
        """Start, again on the same port."""

        @web.middleware
        async def between(request: web.Request, handler: Any) -> web.StreamResponse:
            return await self._between(request, handler)

        host = web.Application(middlewares=[between])
        host.add_subapp("/logs", create_app(self._service, identify=bearer_identity(TokenVerifier(secret=SECRET))))
        self._server = TestServer(host, port=self._port)
        await self._server.start_server()
        assert self._server.port
        self._port = self._server.port
        self.base = f"http://127.0.0.1:{self._port}/logs"

    async def down(self) -> None:
        """Stop; connections are refused."""
        await self._server.close()

    async def _between(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests += 1
        self.keys.append(request.headers.get("Idempotency-Key"))
        if self.faults:
            return await self.faults.pop(0)(request, handler)
        return await handler(request)


async def dropped_after_commit(request: web.Request, handler: Any) -> web.StreamResponse:
    """The service does what it was asked, and the connection breaks before the answer."""
    response: web.StreamResponse = await handler(request)
    assert request.transport is not None
    request.transport.abort()
    return response


async def cut_in_the_answer(request: web.Request, handler: Any) -> web.StreamResponse:
    """The service does what it was asked, and the connection breaks inside of the answer."""
    done = await handler(request)
    response = web.StreamResponse(headers={"Content-Length": str(len(done.body)), "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(done.body[:5])
    assert request.transport is not None
    request.transport.abort()
    return response


def refusing(status: int, **headers: str) -> Fault:
    """A proxy that says "not now" in words of its own."""

    async def refuse(request: web.Request, handler: Any) -> web.StreamResponse:
        return web.Response(status=status, text="<h1>Not now</h1>", content_type="text/html", headers=headers)

    return refuse


async def store_away(request: web.Request, handler: Any) -> web.StreamResponse:
    """The service says that its database is away."""
    headers = {"X-Error-Code": "store-unavailable", "Retry-After": "0"}
    return web.json_response({"detail": "The database does not answer."}, status=503, headers=headers)


@pytest.fixture
async def line(service: DocService) -> AsyncIterator[Line]:
    """A line to a service that is up."""
    found = Line(service)
    await found.up()
    yield found
    await found.down()


@pytest.fixture
def token_of(recorded_directory: dict[str, Any]) -> Callable[[str], str]:
    """Tokens of the people of the recorded directory."""

    def token(actor: str) -> str:
        user_id = recorded_directory["actors"][actor]["user"]
        return issue_token(SECRET, user_id, now=datetime.now(UTC), ttl_seconds=600)

    return token


@pytest.fixture
async def logs(line: Line, token_of: Callable[[str], str]) -> AsyncIterator[LogClient]:
    """A learner's client that does not wait long."""
    async with LogClient(line.base, token=token_of("learner1"), retries=QUICK) as client:
        yield client


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that takes requests and never answers: its URL, and whether one has come."""
    asked, release = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await release.wait()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
        finally:
            release.set()


def start(content_id: str | None = None, **fields: Any) -> StartSession:
    """A request to start a visit."""
    return StartSession.parse(start_body(content_id, **fields))


def report(*items: str) -> UpdateSession:
    """A report with a right answer to each question."""
    return UpdateSession.parse({"time_spent_delta": 5, "interactions": [interaction(item) for item in items]})


async def test_a_learner_works_and_reads_it_back(logs: LogClient, recorded_directory: dict[str, Any]) -> None:
    """What was reported is found in each of the lists, as rows and as documents, one by one, too."""
    learner = recorded_directory["actors"]["learner1"]["user"]

    content = uuid.uuid4().hex
    filters = LogFilters(complete=False, user=learner, content=content)

    visit = await logs.start_session(start(content, mastery_model=M_OF_N))
    updated = await logs.update_session(visit.session_id, report("q1", "q2", "q3"))
    tries = [row async for row in logs.mastery_logs(filters, page_size=1)]
    attempts = [row async for row in logs.attempt_logs(LogFilters(content=content), page_size=2)]
    [summary] = [row async for row in logs.documents("contentsummarylog", DocumentFilters(content=content))]

    assert (visit.complete, updated.complete, len(updated.attempts)) == (False, False, 3)
    assert [row.correct for row in tries] == [3]
    assert {row.item for row in attempts} == {"q1", "q2", "q3"}
    assert summary["time_spent"] == 5
    assert await logs.document("contentsummarylog", summary["id"], fields="time_spent") == {
        "id": summary["id"],
        "time_spent": 5,
    }
    assert await logs.mastery_log(tries[0].id) == tries[0]
    assert await logs.attempt_log(attempts[0].id) == attempts[0]
    assert (await logs.mastery_diff(0, filters)).id == tries[0].id
    assert await logs.user_progress(learner) == 0


async def test_pages_go_on_from_a_cursor(logs: LogClient) -> None:
    """A list that was left goes on from the cursor of the last page, with filters and dates; all come once."""
    contents = sorted(uuid.uuid4().hex for _ in range(5))
    for content_id in contents:
        await logs.start_session(start(content_id))
    filters = DocumentFilters(
        content_ids=tuple(contents), kind="html5", start_after=datetime.now(UTC) - timedelta(minutes=5)
    )

    first = await logs.document_page("contentsessionlog", filters, page_size=2)
    rest = await logs.document_page("contentsessionlog", filters, fields="content_id", cursor=first.next)
    found = [document["content_id"] for document in rest.results]

    assert first.next is not None
    assert sorted([document["content_id"] for document in first.results] + found) == contents


async def test_an_exam_of_old(logs: LogClient, recorded_directory: dict[str, Any]) -> None:
    """An exam is begun once, answered, changed and handed in."""
    learner, exam = recorded_directory["actors"]["learner1"]["user"], recorded_directory["exams"][0]["id"]
    moment = "2024-09-02 05:12:24.158293(Africa/Nairobi)"
    begin = SaveExamLog(exam=exam, user=learner)

    saved, again = await logs.save_exam_log(begin), await logs.save_exam_log(begin)
    attempt = await logs.save_exam_attempt(
        SaveExamAttempt.parse(
            {
                "examlog": saved.log.id,
                "user": learner,
                "item": "q1",
                "content_id": uuid.uuid4().hex,
                "start_timestamp": moment,
                "end_timestamp": moment,
                "correct": 0,
            }
        )
    )
    changed = await logs.change_exam_attempt(attempt.id, ChangeExamAttempt(correct=1))
    closed = await logs.change_exam_log(saved.log.id, ChangeExamLog(closed=True))

    assert (saved.created, again.created, again.log.id) == (True, False, saved.log.id)
    assert attempt.start_timestamp == "2024-09-02T05:12:24.158000Z"
    assert (attempt.correct, changed.correct) == (0, 1)
    assert (closed.closed, closed.score) == (True, 1)


async def test_a_sitting(line: Line, token_of: Callable[[str], str], recorded_directory: dict[str, Any]) -> None:
    """A report of activity says who is there and makes a user session; a mere question makes none."""
    async with LogClient(line.base, token=token_of("learner2")) as logs:
        asked = await logs.update_user_session(ReportActivity(active=False))
        before = [document async for document in logs.documents("usersessionlog")]
        described = await logs.update_user_session()
        after = [document async for document in logs.documents("usersessionlog")]

    assert asked.user_id == described.user_id == recorded_directory["actors"]["learner2"]["user"]
    assert (len(before), len(after)) == (0, 1)


@pytest.mark.parametrize(
    "fault",
    [
        dropped_after_commit,
        cut_in_the_answer,
        refusing(502),
        refusing(503, **{"Retry-After": "0"}),
        refusing(504),
        refusing(429),
        store_away,
    ],
)
async def test_a_report_is_added_once(logs: LogClient, line: Line, database: Any, fault: Fault) -> None:
    """Whatever happens to a report or its answer, it is sent again under its key and added once."""
    visit = await logs.start_session(start(mastery_model=M_OF_N))
    line.keys.clear()
    line.faults += [fault, fault]

    updated = await logs.update_session(visit.session_id, report("q1"))

    summary = await database["content_summary_logs"].find_one({"content_id": visit.context["node_id"]})
    assert summary["time_spent"] == 5
    assert summary["mastery_logs"][0]["attempt_count"] == 1
    assert [attempt.item for attempt in updated.attempts] == ["q1"]
    assert len(line.keys) >= 3
    assert len(set(line.keys)) == 1
    assert line.keys[0]


async def test_each_call_has_a_key_of_its_own(logs: LogClient, line: Line, database: Any) -> None:
    """The same report made twice on purpose is added twice."""
    visit = await logs.start_session(start())

    await logs.update_session(visit.session_id, UpdateSession(time_spent_delta=5))
    await logs.update_session(visit.session_id, UpdateSession(time_spent_delta=5))

    assert (await database["content_session_logs"].find_one({"_id": visit.session_id}))["time_spent"] == 10
    assert len(set(line.keys)) == 3


async def test_an_anonymous_start_is_made_once(line: Line, database: Any) -> None:
    """A client without a token says which visitor it is, so that even its first start is safe to repeat."""
    line.faults.append(dropped_after_commit)

    content = uuid.uuid4().hex
    async with LogClient(line.base, retries=QUICK) as logs:
        visit = await logs.start_session(start(content))
        await logs.update_session(visit.session_id, UpdateSession(time_spent_delta=5))

    [document] = await database["content_session_logs"].find({"content_id": content}).to_list(10)
    assert (document["_id"], document["user_id"], document["time_spent"]) == (visit.session_id, None, 5)


async def test_the_service_restarts(line: Line, token_of: Callable[[str], str], database: Any) -> None:
    """A call made while the service is away gets through when it is back; an old connection does no harm."""
    patient = Retries(attempts=10_000, first_delay_seconds=0.01, longest_delay_seconds=0.02)
    attempts = asyncio.Semaphore(0)

    async def token() -> str:
        attempts.release()  # it is asked for before each attempt
        return token_of("learner1")

    async with LogClient(line.base, token=token, retries=patient) as logs:
        visit = await logs.start_session(start())
        await attempts.acquire()
        await line.down()
        waiting = asyncio.create_task(logs.update_session(visit.session_id, UpdateSession(time_spent_delta=5)))
        for _ in range(3):  # the third begins after two that nobody took
            await attempts.acquire()
        await line.up()
        await waiting

    assert (await database["content_session_logs"].find_one({"_id": visit.session_id}))["time_spent"] == 5


async def test_a_service_that_stays_away(line: Line) -> None:
    """After so many attempts the client says that there is no answer, and from what."""
    await line.down()
    begun = asyncio.get_running_loop().time()

    async with LogClient(line.base, retries=QUICK) as logs:
        with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1") as caught:
            await logs.start_session(start())

    assert isinstance(caught.value.__cause__, aiohttp.ClientConnectionError)
    assert asyncio.get_running_loop().time() - begun < 25
    await line.up()


async def test_a_database_that_stays_away(logs: LogClient, line: Line) -> None:
    """The last error of the service is the one that is raised."""
    line.faults += [store_away] * QUICK.attempts

    with pytest.raises(StoreUnavailable, match="The database does not answer"):
        await logs.start_session(start())

    assert line.requests == QUICK.attempts


async def test_a_service_that_asks_for_patience(logs: LogClient, line: Line) -> None:
    """What `Retry-After` asks for is waited for; more than the longest delay is not, nor is the request repeated."""
    begun = asyncio.get_running_loop().time()
    line.faults.append(refusing(429, **{"Retry-After": "1"}))
    await logs.update_user_session()
    waited = asyncio.get_running_loop().time() - begun
    line.faults.append(refusing(503, **{"Retry-After": "3600"}))
    requests = line.requests
    with pytest.raises(ServiceUnavailable):
        await logs.update_user_session()

    assert waited >= 1
    assert line.requests == requests + 1


async def test_a_service_that_is_silent() -> None:
    """Each attempt has the deadline that was given, and the error says that it passed."""
    begun = asyncio.get_running_loop().time()
    async with silent_server() as (base, _), LogClient(base, timeout_seconds=0.1, retries=Retries(2, 0.01)) as logs:
        with pytest.raises(ServiceUnavailable) as caught:
            await logs.start_session(start())

    assert isinstance(caught.value.__cause__, TimeoutError)
    assert 0.2 <= asyncio.get_running_loop().time() - begun < 25  # the usual deadline is 30 s


async def test_a_call_is_cancelled() -> None:
    """A cancelled call ends at once, during an attempt and between two, and the client can still be left."""
    async with silent_server() as (base, asked), LogClient(base) as logs:
        call = asyncio.create_task(logs.start_session(start()))
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    patient = Retries(first_delay_seconds=60, longest_delay_seconds=60)
    async with LogClient(f"http://127.0.0.1:{unused_port()}", retries=patient) as logs:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await logs.start_session(start())


async def test_a_cancelled_call_leaves_the_client_usable(logs: LogClient, line: Line) -> None:
    """Another call after a cancelled one gets its own answer."""
    held = asyncio.Event()

    async def hold(request: web.Request, handler: Any) -> web.StreamResponse:
        held.set()
        await asyncio.sleep(0.05)
        answer: web.StreamResponse = await handler(request)
        return answer

    line.faults.append(hold)
    call = asyncio.create_task(logs.start_session(start()))
    await held.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    described = await logs.update_user_session()

    assert described.user_id


async def test_calls_at_once(logs: LogClient, database: Any) -> None:
    """One client makes many calls at once, and each gets its own answer."""
    contents = [uuid.uuid4().hex for _ in range(12)]

    visits = await asyncio.gather(*(logs.start_session(start(content_id)) for content_id in contents))

    assert [visit.context["node_id"] for visit in visits] == contents
    kept = await database["content_session_logs"].distinct("content_id", {"content_id": {"$in": contents}})
    assert sorted(kept) == sorted(contents)


async def test_a_closed_client(line: Line) -> None:
    """A client that was not entered, or has been left, says so and sends nothing."""
    logs = LogClient(line.base)
    with pytest.raises(NotEntered):
        await logs.start_session(start())
    async with logs:
        pass
    with pytest.raises(NotEntered, match="async with"):
        [document async for document in logs.documents("examlog")]

    assert line.requests == 0


async def test_a_client_that_is_left_during_a_call() -> None:
    """A call that is under way when the client is left ends with an error, and soon."""
    async with silent_server() as (base, asked):
        async with LogClient(base, retries=QUICK) as logs:
            call = asyncio.create_task(logs.start_session(start()))
            await asked.wait()
        async with asyncio.timeout(25):  # the usual deadline is 30 s
            with pytest.raises((NotEntered, ServiceUnavailable)):
                await call


async def test_a_lent_session_stays_open(line: Line, token_of: Callable[[str], str]) -> None:
    """A session of the caller's own is used and not closed; its cookies are left alone."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with LogClient(line.base, token=token_of("learner1"), session=session) as logs:
            described = await logs.update_user_session()
        assert not session.closed
        assert list(session.cookie_jar) == []

    assert described.user_id


async def test_tokens_are_asked_for_each_time(line: Line, token_of: Callable[[str], str]) -> None:
    """A function that gives tokens is asked before each attempt; what it raises is raised."""
    given: list[str] = []

    async def token() -> str:
        if len(given) == 3:
            raise TimeoutError("the sign-in does not answer")
        given.append(token_of("learner1"))
        return given[-1]

    line.faults.append(refusing(503))
    async with LogClient(line.base, token=token, retries=QUICK) as logs:
        await logs.update_user_session()
        await logs.update_user_session()
        with pytest.raises(TimeoutError, match="sign-in"):
            await logs.update_user_session()

    assert len(given) == 3


async def test_errors_are_those_of_the_service(line: Line, logs: LogClient) -> None:
    """What the service raises comes back as the same class, with its fields."""
    with pytest.raises(ValidationFailed) as invalid:
        await logs.update_session(
            (await logs.start_session(start())).session_id, UpdateSession.model_construct({"progress"}, progress=7)
        )
    with pytest.raises(LogNotFound):
        await logs.update_session(uuid.uuid4().hex, UpdateSession())
    with pytest.raises(LogNotFound):
        await logs.mastery_diff(700)
    with pytest.raises(InvalidReference, match="lesson_id"):
        await logs.start_session(start(lesson_id=uuid.uuid4().hex))
    with pytest.raises(ValidationFailed, match="cursor"):
        await logs.document_page("examlog", cursor="x")
    async with LogClient(line.base, token="nonsense") as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.update_user_session()
    async with LogClient(line.base) as visitor:
        with pytest.raises(NotSignedIn):
            await visitor.save_exam_log(SaveExamLog(exam=uuid.uuid4().hex, user=uuid.uuid4().hex))

    assert [error.path for error in invalid.value.errors] == [("progress",)]


@pytest.mark.parametrize("session_id", ["../attemptlog", "a/b", "..", "%2e%2e", "a?b=c", "a#b", "ü"])
async def test_ids_stay_in_their_place(logs: LogClient, session_id: str) -> None:
    """Text that is not an id cannot turn a request into another one."""
    with pytest.raises(LogNotFound):
        await logs.update_session(session_id, UpdateSession())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
async def test_what_is_no_json_is_not_sent(logs: LogClient, line: Line, value: Any) -> None:
    """A value that JSON has no form for is refused before anything is sent."""
    with pytest.raises(UnstorableValue):
        await logs.update_session(uuid.uuid4().hex, UpdateSession(extra_fields={"a": value}))

    assert line.requests == 0


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<h1>Hello</h1>", "text/html"),
        (200, b"[]", "application/json"),
        (204, b"", "text/plain"),
        (302, b"", "text/plain"),
        (404, b"<h1>Nothing here</h1>", "text/html"),
        (500, b'{"code": "internal-error"}', "application/problem+json"),
    ],
)
async def test_somebody_else_answers(logs: LogClient, line: Line, status: int, body: bytes, kind: str) -> None:
    """An answer that is none of docservice's is said to be one; it is not repeated, and no redirect is followed."""

    async def other(request: web.Request, handler: Any) -> web.StreamResponse:
        return web.Response(status=status, body=body, content_type=kind, headers={"Location": "/elsewhere"})

    line.faults.append(other)

    with pytest.raises(UnexpectedAnswer) as caught:
        await logs.start_session(start())

    assert caught.value.status == status
    assert line.requests == 1


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://localhost/", "http://", "/logs"])
def test_a_base_url_is_one(url: str) -> None:
    """A mistake in the base URL is said where it was made."""
    with pytest.raises(ValueError, match="not an http or https URL"):
        LogClient(url)


def test_a_password_in_the_base_url() -> None:
    """A base URL with a password is refused, and the message does not repeat it."""
    with pytest.raises(ValueError, match="token") as caught:
        LogClient("http://me:secret@localhost:8000/")

    assert "secret" not in str(caught.value)


async def test_a_slash_at_the_end_of_the_base_url(line: Line, token_of: Callable[[str], str]) -> None:
    """The base URL may end with a slash."""
    async with LogClient(line.base + "/", token=token_of("learner1")) as logs:
        assert (await logs.update_user_session()).user_id


async def test_big_numbers_and_odd_keys_come_back(logs: LogClient) -> None:
    """An answer comes back equal to what was sent."""
    answer = {"n": 2**80, "$ref": "x", "a.b": [1.5, None, "ü\u2028"]}
    content = uuid.uuid4().hex
    visit = await logs.start_session(start(content, mastery_model=M_OF_N))

    await logs.update_session(visit.session_id, UpdateSession.parse({"interactions": [interaction(answer=answer)]}))
    [attempt] = [row async for row in logs.attempt_logs(LogFilters(content=content))]

    assert attempt.answer == answer
