"""Health, request ids and the shapes of errors."""

from __future__ import annotations

import asyncio
import gc
import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import brotli
import pytest
from aiohttp.test_utils import TestClient, TestServer

from docservice import ANONYMOUS, DocService, Principal
from docservice.rest import create_app

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from .asking import TRACK, Client, everything, put, start, start_body
from .gateway import Gateway

pytestmark = pytest.mark.shared_service


@pytest.fixture
def collected() -> Iterator[None]:
    """Collect what the driver left, before another test begins."""
    yield
    gc.collect()


async def somebody(request: Any) -> Principal:
    """An identity for tests that do not care who calls."""
    return ANONYMOUS


@pytest.mark.parametrize(("path", "status"), [("/healthz", "ok"), ("/readyz", "ready")])
async def test_health(client: Client, path: str, status: str) -> None:
    """Both probes answer without a token while the database is there."""
    async with client.get(path) as response:
        body = await response.json()

    assert (response.status, body) == (200, {"status": status})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_answers_head(client: Client, path: str) -> None:
    """A probe may be a HEAD: it never gets a body, which would break the connection."""
    async with client.head(path) as response:
        body = await response.read()

    assert (response.status, body) == (200, b"")


# PyMongo leaves sockets to the collector when it is cancelled while it connects.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("collected")
async def test_ready_without_database(mongodb_uri: str, database: Any) -> None:
    """Without its database the process is alive, but not ready: 503 with Retry-After as problem JSON."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Gateway(mongodb_uri))
        service = await stack.enter_async_context(
            DocService(gateway.uri, database=database.name, timeout_seconds=2, apply_indexes=False)
        )
        app = create_app(service, identify=somebody)
        client = await stack.enter_async_context(TestClient(TestServer(app)))
        before = await client.get("/readyz")
        await gateway.shut()
        alive, ready, refused = await asyncio.gather(
            client.get("/healthz"), client.get("/readyz"), client.post(TRACK, json=start_body())
        )
        body = await ready.json(content_type="application/problem+json")

    assert (before.status, alive.status, ready.status, refused.status) == (200, 200, 503, 503)
    assert ready.headers["Retry-After"] == refused.headers["Retry-After"] == "1"
    assert body["code"] == "store-unavailable"


async def test_compressed_body(client: Client, headers_of: Callable[[str], dict[str, str]]) -> None:
    """A body compressed as its header says is read."""
    headers = headers_of("learner1")
    session_id = (await start(client, headers))["session_id"]
    sent = {**headers, "Content-Type": "application/json", "Content-Encoding": "gzip"}

    async with client.put(f"{TRACK}{session_id}/", data=gzip.compress(b'{"progress": 1}'), headers=sent) as response:
        body = await response.json()

    assert (response.status, body) == (200, {"complete": True})


@pytest.mark.parametrize("pack", [brotli.compress, zstd.compress, zlib.compress], ids=["br", "zstd", "deflate"])
async def test_other_compressed_bodies(
    client: Client, headers_of: Callable[[str], dict[str, str]], request: pytest.FixtureRequest, pack: Any
) -> None:
    """Every encoding that the refusal below offers is read."""
    headers = headers_of("learner1")
    session_id = (await start(client, headers))["session_id"]
    sent = {**headers, "Content-Type": "application/json", "Content-Encoding": request.node.callspec.id}

    async with client.put(f"{TRACK}{session_id}/", data=pack(b'{"progress": 1}'), headers=sent) as response:
        body = await response.json()

    assert (response.status, body) == (200, {"complete": True})


@pytest.mark.parametrize("encoding", ["compress", "lzma", "gzip, br", "aes128gcm"])
async def test_an_encoding_that_is_not_read(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]], encoding: str
) -> None:
    """A body packed in another way is a 415 that says which ways are read, and writes nothing."""
    before = await everything(database)
    sent = {**headers_of("learner1"), "Content-Type": "application/json", "Content-Encoding": encoding}

    async with client.post(TRACK, data=b'{"progress": 1}', headers=sent) as response:
        body = await response.json()

    assert response.status == 415
    assert response.headers["Accept-Encoding"] == "gzip, deflate, br, zstd"
    assert "Content-Encoding" in body["detail"]
    # In a refusal for another reason the header would say that the encoding was it.
    async with client.post(TRACK, data=b"a", headers={"Content-Type": "text/plain"}) as other:
        assert (other.status, other.headers.get("Accept-Encoding")) == (415, None)
    assert await everything(database) == before


async def test_body_that_is_not_what_its_encoding_says(
    client: Client, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """A body that cannot be decompressed is the caller's mistake: a 400, not a crash."""
    headers = headers_of("learner1")
    session_id = (await start(client, headers))["session_id"]
    sent = {**headers, "Content-Type": "application/json", "Content-Encoding": "gzip"}

    async with client.put(f"{TRACK}{session_id}/", data=b'{"progress": 1}', headers=sent) as response:
        pass

    assert response.status == 400


@pytest.mark.parametrize(
    "path", ["/nothing", "/api", "/api/logger/", "/api/logger/nothing/", "/healthz/", "/%FF", "/a%00b"]
)
async def test_unknown_path(client: Client, path: str) -> None:
    """A path that does not exist is answered with a problem document."""
    async with client.get(path) as response:
        body = await response.json(content_type="application/problem+json")

    assert response.status == 404
    assert body["status"] == 404
    assert body["type"] == "about:blank"
    assert body["title"] == "Not Found"
    assert body["code"] == "http-404"
    assert body["request_id"] == response.headers["X-Request-Id"]
    assert {"detail", "instance"} <= body.keys()


async def test_wrong_method_outside_kolibri(client: Client) -> None:
    """A wrong method on an own route is a problem document that says what is allowed."""
    async with client.post("/healthz") as response:
        body = await response.json(content_type="application/problem+json")

    assert response.status == 405
    assert "GET" in response.headers["Allow"]
    assert body["code"] == "http-405"


@pytest.mark.parametrize("given", ["abc", "A-1.b_2", "x" * 64])
async def test_request_id_is_echoed(client: Client, given: str) -> None:
    """A sane request id comes back, on good answers and on errors."""
    async with client.get("/healthz", headers={"X-Request-Id": given}) as good:
        pass
    async with client.get("/nothing", headers={"X-Request-Id": given}) as bad:
        body = await bad.json(content_type="application/problem+json")

    assert good.headers["X-Request-Id"] == bad.headers["X-Request-Id"] == body["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "é", "<script>"])
async def test_bad_request_id_is_replaced(client: Client, given: str) -> None:
    """A request id that could spoil a log is replaced by a new one."""
    async with client.get("/healthz", headers={"X-Request-Id": given}) as response:
        pass

    assert response.headers["X-Request-Id"] != given
    assert len(response.headers["X-Request-Id"]) == 32


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_body_over_the_limit(service: DocService, database: Any, kind: str, chunked: bool) -> None:
    """A body over the limit is refused with 413 and the limit, whatever its type, and nothing is written."""
    app = create_app(service, identify=somebody, max_body_bytes=2048)
    parts = [b'{"extra_fields": {"a": "', b"x" * 4096, b'"}}']
    if "form" in kind:
        parts = [b"a=", b"x" * 4096]
    if "multipart" in kind:
        parts = [b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n', b"x" * 4096, b"\r\n--b--\r\n"]

    async def stream() -> Any:
        for part in parts:
            yield part

    async with TestClient(TestServer(app)) as client:
        session_id = (await start(client, {}))["session_id"]
        before = await everything(database)
        async with client.put(
            f"{TRACK}{session_id}/", data=stream() if chunked else b"".join(parts), headers={"Content-Type": kind}
        ) as response:
            body = await response.json()

    assert response.status == 413
    assert "2048" in body["detail"]
    assert await everything(database) == before


async def test_body_at_the_limit(service: DocService) -> None:
    """A body of exactly the limit is taken."""
    app = create_app(service, identify=somebody, max_body_bytes=2048)
    shell = '{"extra_fields": {"a": ""}}'
    body = shell.replace('""', '"' + "x" * (2048 - len(shell)) + '"').encode()

    async with TestClient(TestServer(app)) as client:
        session_id = (await start(client, {}))["session_id"]
        async with client.put(
            f"{TRACK}{session_id}/", data=body, headers={"Content-Type": "application/json"}
        ) as response:
            pass

    assert len(body) == 2048
    assert response.status == 200


async def test_error_inside_interactions_is_listed(client: Client, headers_of: Callable[[str], dict[str, str]]) -> None:
    """A time that reaches back before the calendar is refused in the list that all field errors have."""
    headers = headers_of("learner1")
    session_id = (await start(client, headers))["session_id"]
    report = {"interactions": [{"item": "a", "correct": 1, "time_spent": 1e15, "answer": {}}]}

    status, body = await put(client, headers, session_id, report)

    assert status == 400
    assert [(error["id"], error["metadata"]["field"]) for error in body] == [("MAX_VALUE", "interactions.time_spent")]


async def test_choice_of_half_a_surrogate_pair(client: Client, headers_of: Callable[[str], dict[str, str]]) -> None:
    """A choice that UTF-8 cannot write is a 400 like any other wrong choice."""
    raw = b'{"node_id": "%s", "kind": "\\ud800"}' % (b"0" * 32)
    headers = {**headers_of("learner1"), "Content-Type": "application/json"}

    async with client.post(TRACK, data=raw, headers=headers) as response:
        body = await response.json()

    assert response.status == 400
    assert [(error["id"], error["metadata"]["field"]) for error in body] == [("INVALID_CHOICE", "kind")]


async def test_many_form_fields(client: Client, headers_of: Callable[[str], dict[str, str]]) -> None:
    """A form of many small fields is not told that it is larger than a limit which it keeps."""
    form = "&".join(f"a{number}=1" for number in range(1001)).encode()
    headers = {**headers_of("learner1"), "Content-Type": "application/x-www-form-urlencoded"}

    async with client.post(TRACK, data=form, headers=headers) as response:
        body = await response.text()

    assert response.status == 400
    assert "larger than 2621440 bytes" not in body


@pytest.mark.parametrize("charset", ["zlib", "bz2", "rot13", "punycode", "nonsense"])
async def test_a_charset_is_a_text_encoding(
    client: Client, headers_of: Callable[[str], dict[str, str]], charset: str
) -> None:
    """What the body's charset names is never run to unpack or rewrite it: the body is read as UTF-8."""
    headers = headers_of("learner1")
    session_id = (await start(client, headers))["session_id"]
    sent = {**headers, "Content-Type": f"application/json; charset={charset}"}

    async with client.put(f"{TRACK}{session_id}/", data=b'{"progress": 1}', headers=sent) as response:
        body = await response.json()

    assert (response.status, body) == (200, {"complete": True})


async def test_a_list_position_of_a_form_is_a_small_number(
    client: Client, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """A position of thousands of digits is not a position: the field is unknown and does nothing."""
    headers = headers_of("learner1")
    session_id = (await start(client, headers))["session_id"]
    form = {f"interactions[{'9' * 5000}]item": "a"}

    async with client.put(f"{TRACK}{session_id}/", data=form, headers=headers) as response:
        body = await response.json()

    assert (response.status, body) == (200, {"complete": False})
