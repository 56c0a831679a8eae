"""What is believed of `X-Forwarded-*`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from docservice import DocService, Principal
from docservice.rest import create_app
from docservice.rest.proxies import Proxies

pytestmark = pytest.mark.shared_service

SAYS = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "logs.example:8443",
    "X-Forwarded-Prefix": "/records/",
}


async def seen(service: DocService, trusted: Sequence[str] | None, headers: Any) -> dict[str, Any]:
    """What a handler sees of a request with these headers, and the `instance` of a problem."""

    async def nobody(request: web.Request) -> Principal:
        return Principal()

    async def look(request: web.Request) -> web.Response:
        return web.json_response({"remote": request.remote, "scheme": request.scheme, "host": request.host})

    app = create_app(service, identify=nobody, proxies=None if trusted is None else Proxies(trusted))
    app.router.add_get("/look", look)
    async with TestClient(TestServer(app)) as client:
        async with client.get("/look", headers=headers) as response:
            found: dict[str, Any] = await response.json()
        async with client.get("/nothing", headers=headers) as response:
            found["instance"] = (await response.json())["instance"]
        found["host"] = found["host"].replace(f"127.0.0.1:{client.port}", "own")
    return found


PLAIN = {"remote": "127.0.0.1", "scheme": "http", "host": "own", "instance": "/nothing"}


@pytest.mark.parametrize("trusted", [None, ["192.0.2.1", "10.0.0.0/8"]])
async def test_nobody_else_is_believed(service: DocService, trusted: list[str] | None) -> None:
    """Without the setting, and from an address that is not in it, the headers mean nothing."""
    assert await seen(service, trusted, SAYS) == PLAIN


@pytest.mark.parametrize("trusted", [["127.0.0.1"], ["127.0.0.0/8", "10.0.0.0/8"]])
async def test_a_trusted_proxy_is_believed(service: DocService, trusted: list[str]) -> None:
    """Address, scheme, host and prefix are the client's."""
    assert await seen(service, trusted, SAYS) == {
        "remote": "203.0.113.9",
        "scheme": "https",
        "host": "logs.example:8443",
        "instance": "/records/nothing",
    }


@pytest.mark.parametrize(
    ("chain", "remote"),
    [
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),  # What is before was sent by the client itself.
        ("203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("nonsense, 10.1.2.3", "10.1.2.3"),
        ("nonsense", "127.0.0.1"),
        ("2001:db8::1, 10.1.2.3", "2001:db8::1"),
    ],
)
async def test_the_last_untrusted_address_is_the_client(service: DocService, chain: str, remote: str) -> None:
    """The chain is read from its end, as far as proxies are trusted."""
    found = await seen(service, ["127.0.0.1", "10.0.0.0/8"], {"X-Forwarded-For": chain})

    assert found["remote"] == remote


async def test_several_lines_are_one_list(service: DocService) -> None:
    """The last line counts, as the last value does."""
    headers = CIMultiDict([("X-Forwarded-Proto", "http"), ("X-Forwarded-Proto", "https")])

    assert (await seen(service, ["127.0.0.1"], headers))["scheme"] == "https"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-Proto": "javascript"},
        {"X-Forwarded-Host": "evil.example/path"},
        {"X-Forwarded-Prefix": "//evil.example"},
        {"X-Forwarded-Prefix": "records"},
    ],
)
async def test_what_makes_no_sense_is_left_out(service: DocService, headers: dict[str, str]) -> None:
    """Values that are not scheme, no host and no path change nothing."""
    assert await seen(service, ["127.0.0.1"], headers) == PLAIN
