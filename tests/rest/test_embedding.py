"""The API inside an application of somebody else: below a prefix, with the host's sign-in, beside the host's routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from docservice import ANONYMOUS, DocService, Principal
from docservice.errors import NotEntered, Unauthenticated
from docservice.rest import SERVICE, create_app, entered

from .asking import Client, start_body

PREFIX = "/my/logs"
TRACK = f"{PREFIX}/api/logger/trackprogress/"
USER: web.RequestKey[str] = web.RequestKey("USER")


@pytest.fixture
def learner(recorded_directory: dict[str, Any]) -> str:
    """A learner's id."""
    return str(recorded_directory["ids"]["learner1"])


@web.middleware
async def host_sign_in(request: web.Request, handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
    """The host's own sign-in: what its middleware finds out, `identify` reads."""
    request[USER] = request.headers.get("X-User", "")
    response = await handler(request)
    response.headers["X-Host"] = "seen"
    return response


def of_host(request: web.Request) -> Principal:
    """The host's `identify`, a plain function."""
    return Principal(user_id=request[USER]) if request[USER] else ANONYMOUS


async def own_route(request: web.Request) -> web.Response:
    """A handler of the host that uses the same service."""
    service = request.app[SERVICE]
    return web.json_response({"visits": await service.content_session_logs.count()})


async def broken_route(request: web.Request) -> web.Response:
    """A handler of the host that fails."""
    raise ZeroDivisionError


def hosting(service: DocService, identify: Any = of_host, **options: Any) -> web.Application:
    """A host with routes of its own and the API below a prefix."""
    host = web.Application(middlewares=[host_sign_in], client_max_size=1024)
    host[SERVICE] = service
    host.router.add_get("/visits", own_route)
    host.router.add_get("/broken", broken_route)
    host.router.add_post("/api/logger/trackprogress/", own_route)
    host.add_subapp(PREFIX, create_app(service, identify=identify, **options))
    return host


@pytest.fixture
async def hosted(service: DocService) -> AsyncIterator[Client]:
    """A client of the host."""
    async with TestClient(TestServer(hosting(service))) as client:
        yield client


async def test_the_api_below_a_prefix(hosted: Client, database: Any, learner: str) -> None:
    """Tracking works below the prefix for whom the host signed in, and the host's handlers share the service."""
    sent = {"X-User": learner, "X-Request-Id": "abc"}

    async with hosted.post(TRACK, json=start_body(), headers=sent) as response:
        started = await response.json()
    async with hosted.put(f"{TRACK}{started['session_id']}", json={"progress": 1}, headers=sent) as reported:
        pass
    async with hosted.get("/visits") as own:
        visits = await own.json()

    assert (response.status, reported.status) == (200, 200)
    assert response.headers["X-Request-Id"] == "abc"
    assert response.headers["X-Host"] == "seen"
    assert visits == {"visits": 1}
    assert (await database["content_session_logs"].find_one({}))["user_id"] == learner


async def test_the_hosts_routes_are_its_own(hosted: Client) -> None:
    """Outside of the prefix nothing of ours answers: no request id, no problem document, the host's own routes."""
    answers = {}
    for method, path in (("GET", "/nothing"), ("GET", "/broken"), ("DELETE", "/visits"), ("GET", "/visits")):
        async with hosted.request(method, path) as response:
            answers[path, method] = response.status
            assert "X-Request-Id" not in response.headers
            assert response.content_type != "application/problem+json"

    assert list(answers.values()) == [404, 500, 405, 200]
    async with hosted.post("/api/logger/trackprogress/", json={}) as same_path:
        assert "visits" in await same_path.json()


async def test_errors_below_a_prefix(hosted: Client) -> None:
    """Errors have the shapes that they have without a prefix, and say the path as the client knows it."""
    async with hosted.get(f"{PREFIX}/nothing") as unknown:
        problem = await unknown.json(content_type="application/problem+json")
    async with hosted.patch(TRACK) as wrong_method:
        kolibri = await wrong_method.json()
    async with hosted.post(f"{PREFIX}/healthz") as own_method:
        own = await own_method.json(content_type="application/problem+json")
    async with hosted.post(TRACK, json={"kind": "nonsense"}) as invalid:
        fields = await invalid.json()

    assert (unknown.status, problem["instance"]) == (404, f"{PREFIX}/nothing")
    assert problem["request_id"] == unknown.headers["X-Request-Id"]
    assert (wrong_method.status, kolibri) == (405, {"detail": 'Method "PATCH" not allowed.'})
    assert wrong_method.headers["Allow"] == "POST"
    assert (own_method.status, own["code"]) == (405, "http-405")
    assert invalid.status == 400
    assert {entry["metadata"]["field"] for entry in fields} >= {"kind"}


async def test_the_body_limit_is_the_apis_own(hosted: Client, service: DocService, learner: str) -> None:
    """The host's limit of 1 kB is not the API's, nor the other way round; the refusal says the one that counts."""
    large = {**start_body(), "padding": "x" * 5000}

    async with hosted.post(TRACK, json=large, headers={"X-User": learner}) as taken:
        pass
    async with (
        TestClient(TestServer(hosting(service, max_body_bytes=64))) as strict,
        strict.post(TRACK, json=large) as refused,
    ):
        body = await refused.json()

    assert taken.status == 200
    assert refused.status == 413
    assert " 64 bytes" in body["detail"]


async def test_a_host_that_reads_bodies_first(service: DocService, learner: str) -> None:
    """A middleware of the host may read the body, for its log say, before the API does."""

    @web.middleware
    async def reading(request: web.Request, handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
        assert await request.read()
        return await handler(request)

    host = web.Application(middlewares=[host_sign_in, reading])
    host.add_subapp("/x", create_app(service, identify=of_host))

    async with (
        TestClient(TestServer(host)) as client,
        client.post("/x/api/logger/trackprogress/", json=start_body(), headers={"X-User": learner}) as response,
    ):
        assert response.status == 200


async def test_the_visitor_cookie_stays_below_the_prefix(hosted: Client) -> None:
    """The cookie of an anonymous visitor is sent back to the API and not to the rest of the host."""
    async with hosted.put(f"{PREFIX}/api/auth/session/current/", json={"active": True}) as response:
        cookie = response.cookies["visitor_id"]

    assert cookie["path"] == PREFIX


async def test_the_visitor_cookie_without_a_prefix(client: Client) -> None:
    """Served alone, the cookie is for all paths, as Kolibri's is."""
    async with client.put("/api/auth/session/current/", json={"active": True}) as response:
        assert response.cookies["visitor_id"]["path"] == "/"


async def raise_401(request: web.Request) -> Principal:
    raise web.HTTPUnauthorized


async def raise_ours(request: web.Request) -> Principal:
    raise Unauthenticated("Sign in at the front door.")


async def to_sign_in(request: web.Request) -> Principal:
    raise web.HTTPFound("/sign-in")


def nobody(request: web.Request) -> Any:
    return None


@pytest.mark.parametrize(
    ("identify", "status"),
    [(raise_401, 401), (raise_ours, 401), (to_sign_in, 302), (nobody, 500)],
    ids=["aiohttp's 401", "our 401", "redirect", "no principal"],
)
async def test_who_is_not_let_in(service: DocService, database: Any, identify: Any, status: int) -> None:
    """A host may refuse in our words or in aiohttp's; a slip of the host is never taken for an anonymous visitor."""
    async with (
        TestClient(TestServer(hosting(service, identify))) as client,
        client.post(TRACK, json=start_body(), allow_redirects=False) as response,
    ):
        pass

    assert response.status == status
    assert await database["content_session_logs"].count_documents({}) == 0


async def test_two_services_in_one_host(service: DocService, mongodb_uri: str, database: Any) -> None:
    """Two services over two databases below two prefixes do not see each other's logs."""
    other_name = f"{database.name}_other"
    other = DocService(mongodb_uri, database=other_name)
    host = web.Application()
    host.cleanup_ctx.append(entered(other))
    host.add_subapp("/one", create_app(service, identify=lambda request: ANONYMOUS))
    host.add_subapp("/two", create_app(other, identify=lambda request: ANONYMOUS))

    async with TestClient(TestServer(host)) as client:
        async with client.post("/one/api/logger/trackprogress/", json=start_body()) as first:
            pass
        async with client.post("/two/api/logger/trackprogress/", json=start_body()) as second:
            pass
        here, there = await service.content_session_logs.count(), await other.content_session_logs.count()
    await database.client.drop_database(other_name)

    assert (first.status, here) == (200, 1)
    assert (second.status, there) == (409, 0)  # its directory is empty


async def test_stopping_in_order(mongodb_uri: str, database: Any, recorded_directory: dict[str, Any]) -> None:
    """A request under way when the host stops is answered and kept, then tasks of the host end, then the service."""
    service = DocService(mongodb_uri, database=database.name)
    asked, go_on, ends = asyncio.Event(), asyncio.Event(), []

    async def slowly(request: web.Request) -> Principal:
        asked.set()
        await go_on.wait()
        return Principal(user_id=recorded_directory["ids"]["learner1"])

    async def task_of_host(app: web.Application) -> AsyncIterator[None]:
        await service.import_directory(recorded_directory)
        yield
        ends.append(await service.content_session_logs.count())

    host = web.Application()
    host.cleanup_ctx.extend([entered(service), task_of_host])
    host.add_subapp("/logs", create_app(service, identify=slowly))
    runner = web.AppRunner(host, shutdown_timeout=10)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/logs/api/logger/trackprogress/"

    async with aiohttp.ClientSession() as http:
        posting = asyncio.create_task(http.post(url, json=start_body()))
        await asked.wait()
        stopping = asyncio.create_task(runner.cleanup())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        go_on.set()
        response = await posting
        await stopping

    assert response.status == 200
    assert ends == [1]
    with pytest.raises(NotEntered, match="async with"):
        await service.ping()
    assert await database["content_session_logs"].count_documents({}) == 1
