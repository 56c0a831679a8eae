"""Links that sign a person in once: looking at one changes nothing, using it works once, and it leads nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice import DocService, SignInRules
from docservice.errors import SettingsInvalid
from docservice.rest import Proxies
from tests.support.sign_in import CURRENT, Browser, signing_in

from .asking import TRACK, Client, start_body

pytestmark = pytest.mark.shared_service


@pytest.fixture(scope="module")
def ids(recorded_directory: dict[str, Any]) -> dict[str, str]:
    """The ids of the recorded directory."""
    found: dict[str, str] = recorded_directory["ids"]
    return found


@pytest.fixture(scope="module")
async def door(shared_service: DocService) -> AsyncIterator[Client]:
    """A client of an application with links, whose proxy is at this address."""
    async with signing_in(shared_service, SignInRules(), proxies=Proxies(["127.0.0.1"])) as client:
        yield client


async def link_to(service: DocService, user_id: str, path: str = "/docs/") -> str:
    """The path of a new link."""
    return f"/sign-in/{await service.admin.sign_in.make_link(user_id, path=path, ttl_seconds=600)}"


async def test_a_link_signs_in_once(service: DocService, door: Client, ids: dict[str, str]) -> None:
    """GET shows a page and may come any number of times; POST signs in and goes on; then the link is used."""
    path, browser, late = await link_to(service, ids["learner1"], "/api/docs/?a=b"), Browser(door), Browser(door)

    seen = [await browser.ask("GET", path) for _ in range(3)]
    status, _ = await browser.ask("POST", path)
    location = browser.attributes
    again = [(await late.ask(method, path))[0] for method in ("GET", "POST")]

    assert [status for status, _ in seen] == [200] * 3
    assert "Learner One" in seen[0][1]
    assert status == 303
    assert location["docservice_session"]["httponly"] is True
    assert again == [410, 410]
    assert late.cookies == {}
    csrf = browser.cookies["docservice_csrftoken"]
    assert (await browser.ask("PUT", CURRENT, {}, csrf=csrf))[1]["user_id"] == ids["learner1"]
    assert (await browser.ask("POST", TRACK, start_body(), csrf=csrf))[0] == 200
    assert (await browser.ask("POST", TRACK, start_body(), csrf=None))[0] == 403
    assert (await browser.ask("DELETE", CURRENT, csrf=csrf))[0] == 200
    assert "docservice_session" not in browser.cookies


async def test_where_a_link_leads(service: DocService, door: Client, ids: dict[str, str]) -> None:
    """It leads to the path that it was made with, below the prefix of a proxy; nothing in the request changes that."""
    told = {"X-Forwarded-Prefix": "/logs", "X-Forwarded-Host": "evil.example", "Host": "evil.example"}
    path = await link_to(service, ids["learner1"], "/docs/settings")

    async with door.post(
        f"{path}?next=//evil.example&path=/x", data={"next": "//evil.example"}, headers=told, allow_redirects=False
    ) as response:
        location, cookie = response.headers["Location"], response.cookies["docservice_session"]

    assert location == "/logs/docs/settings"
    assert cookie["path"] == "/logs"
    assert response.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "/\r\nX: y", ""])
async def test_no_link_leads_elsewhere(service: DocService, ids: dict[str, str], path: str) -> None:
    """A link to another server cannot be made."""
    with pytest.raises(SettingsInvalid, match="not a path of this service"):
        await service.admin.sign_in.make_link(ids["learner1"], path=path, ttl_seconds=600)


async def test_two_uses_at_once(service: DocService, ids: dict[str, str]) -> None:
    """Of several uses at the same moment, by two workers, one signs in."""
    path = await link_to(service, ids["learner1"])
    async with signing_in(service, SignInRules()) as one, signing_in(service, SignInRules()) as two:
        uses = [Browser(client).ask("POST", path) for client in (one, two, one, two, one, two)]
        statuses = sorted(status for status, _ in await asyncio.gather(*uses))

    assert statuses == [303] + [410] * 5


async def test_a_link_is_good_for_minutes(service: DocService, ids: dict[str, str]) -> None:
    """After its time a link is like one that was used."""
    path, now = await link_to(service, ids["learner1"]), datetime.now(UTC)
    async with signing_in(service.with_clock(lambda: now + timedelta(seconds=601)), SignInRules()) as client:
        answers = [(await Browser(client).ask(method, path))[0] for method in ("GET", "POST")]

    assert answers == [410, 410]


async def test_the_database_has_no_link(service: DocService, database: Any, ids: dict[str, str]) -> None:
    """What is stored of a link is not enough to use it."""
    path = await link_to(service, ids["learner1"])

    stored = str(await database.sign_in_links.find({}).to_list(1000))

    assert path.rpartition("/")[2] not in stored


async def test_a_page_of_another_site_cannot_use_a_link(service: DocService, door: Client, ids: dict[str, str]) -> None:
    """An attacker cannot sign somebody's browser in with a link of the attacker's own; the link stays good."""
    path = await link_to(service, ids["learner1"])

    refused = [
        (await Browser(door).ask("POST", path, headers=headers))[0]
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"})
    ]
    own, _ = await Browser(door).ask("POST", path, headers={"Sec-Fetch-Site": "same-origin"})

    assert (refused, own) == ([403, 403], 303)


async def test_a_link_ends_another_session(service: DocService, door: Client, ids: dict[str, str]) -> None:
    """Who comes by a link is that person only: the session that the browser had before is over."""
    browser = Browser(door)
    await browser.ask("POST", await link_to(service, ids["learner1"]))
    before = dict(browser.cookies)

    await browser.ask("POST", await link_to(service, ids["learner2"]))

    assert await browser_user(browser) == ids["learner2"]
    assert (await Browser(door, before).ask("POST", TRACK, start_body()))[0] == 401


async def browser_user(browser: Browser) -> Any:
    """Who is signed in."""
    return (await browser.ask("PUT", CURRENT, {}, csrf=browser.cookies["docservice_csrftoken"]))[1]["user_id"]


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 5000, "%0d%0aSet-Cookie:a=b", "<script>", "..%2f..", "%00"])
async def test_links_that_never_were(door: Client, token: str) -> None:
    """They are like used ones, and nothing of them is in the answer."""
    for method in ("GET", "POST"):
        async with door.request(method, f"/sign-in/{token}", allow_redirects=False) as response:
            text = await response.text()

            assert response.status == 410
            assert "<script>" not in text
            assert "Set-Cookie" not in response.headers


async def test_names_are_text(service: DocService, door: Client, ids: dict[str, str]) -> None:
    """A name with markup in it is shown as it is written."""
    user_id = "5a" * 16
    name = "<img src=x onerror=alert(1)>&"
    person = {"id": user_id, "username": "odd", "full_name": name}
    await service.import_directory({"users": [{**person, "dataset": ids["dataset"], "facility": ids["facility"]}]})

    status, page = await Browser(door).ask("GET", await link_to(service, user_id))

    assert status == 200
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;" in page
    assert "<img src=x" not in page


async def test_without_links(client: Client, service: DocService, ids: dict[str, str]) -> None:
    """An application with a sign-in of the host has no links."""
    path = await link_to(service, ids["learner1"])

    assert [(await Browser(client).ask(method, path))[0] for method in ("GET", "POST")] == [403, 403]
