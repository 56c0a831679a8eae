"""Signing in as at a Kolibri: its recorded exchanges, and what an attacker would try."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice import DocService, SignInRules
from docservice.identity import issue_token
from docservice.rest import Proxies
from tests.support.sign_in import (
    CURRENT,
    LIKE_KOLIBRI,
    PASSWORD,
    RECORDED,
    SESSION,
    Browser,
    keep_recorded_passwords,
    signing_in,
)
from tests.support.signing import SECRET

from .asking import TRACK, Client, start_body
from .replaying import filled

pytestmark = pytest.mark.shared_service

NO_PASSWORD_ID = "4d" * 16
ON = SignInRules(with_password=True, tries_per_person=1000, tries_per_address=1000)
SHAPES_ONLY = {"a username that is not a text", "null password"}
"""What is wrong with a field is told here with the name of the field, too."""


@pytest.fixture(scope="module")
async def school(shared_service: DocService, recorded_directory: dict[str, Any]) -> dict[str, str]:
    """The ids of a directory whose people have passwords, but one; other_facility lets learners leave theirs out."""
    ids: dict[str, str] = recorded_directory["ids"]
    [other] = [each for each in recorded_directory["datasets"] if each["id"] == ids["other_dataset"]]
    nobody = {"id": NO_PASSWORD_ID, "username": "nopass", "dataset": ids["dataset"], "facility": ids["facility"]}
    role = {"id": "4e" * 16, "user": ids["superuser"], "collection": ids["default_facility"], "kind": "admin"}
    await shared_service.import_directory(
        {"datasets": [{**other, "learner_can_login_with_no_password": True}], "users": [nobody], "roles": [role]}
    )
    await keep_recorded_passwords(shared_service, ids)
    return ids


@pytest.fixture(scope="module")
async def door(shared_service: DocService, school: dict[str, str]) -> AsyncIterator[Client]:
    """A client of an application that takes passwords, with no limit that a test could meet."""
    async with signing_in(shared_service, ON) as client:
        yield client


async def test_recorded_exchanges(service: DocService, school: dict[str, str]) -> None:
    """The session routes answer as a Kolibri 0.19.5 answered: status, body, and which cookies are new or deleted."""
    different = []
    async with signing_in(service, LIKE_KOLIBRI) as client:
        jars: dict[str, Browser] = {}
        ended = ""
        for step in RECORDED["exchanges"]:
            jar = jars.setdefault(step["jar"], Browser(client))
            if step["about"] == "the cookie of the ended session":
                jar.cookies = {"kolibri": ended, "kolibri_csrftoken": "x" * 64}
            ended = jar.cookies.get("kolibri", ended)
            before = dict(jar.cookies)
            csrf = {"cookie": "", "none": None, "wrong": "x" * 64}[step["csrf"]]

            status, answer = await jar.ask(
                step["method"], step["path"], filled(step.get("body"), school), csrf=csrf, form=step.get("form", False)
            )

            wanted = step["answer"]
            cookies = {
                name: "deleted" if name not in jar.cookies else "same" if before.get(name) == value.value else "new"
                for name, value in jar.attributes.items()
            }
            session = {"same": None}.get(wanted["cookies"].get("kolibri"), wanted["cookies"].get("kolibri"))
            if (status, cookies.get("kolibri")) != (wanted["status"], session):
                different.append((step["about"], status, cookies))
            if "user_id" in wanted["body"] and status == 200:
                body = filled({**wanted["body"], "server_time": answer["server_time"]}, school)
                body["kind"], answer["kind"] = sorted(body["kind"]), sorted(answer["kind"])
                assert body.items() <= answer.items(), step["about"]
                assert cookies.get("kolibri_csrftoken") == wanted["cookies"]["kolibri_csrftoken"], step["about"]
            elif "/logger/" not in step["path"] and step["about"] not in SHAPES_ONLY:
                assert answer == filled(wanted["body"], school), step["about"]
    assert different == []


async def test_cookies_are_as_safe_as_they_can_be(service: DocService, school: dict[str, str]) -> None:
    """The session's cookie is out of reach for scripts and other sites, and behind TLS it is sent over TLS only."""
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/logs"}
    body = {"username": "learner1", "password": PASSWORD, "facility": school["facility"]}
    async with signing_in(service, ON, proxies=Proxies(["127.0.0.1"])) as client:
        plain, behind = Browser(client), Browser(client)

        await plain.sign_in("learner1", school["facility"])
        await behind.ask("POST", SESSION, body, headers=told)

    cookies = [plain.attributes["kolibri"], behind.attributes["kolibri"]]
    assert [(each["httponly"], each["samesite"], each["max-age"], each["domain"]) for each in cookies] == [
        (True, "Lax", "", "")
    ] * 2
    assert [(each["secure"], each["path"]) for each in cookies] == [("", "/"), (True, "/logs")]
    assert plain.attributes["kolibri_csrftoken"]["httponly"] == ""
    assert behind.attributes["kolibri_csrftoken"]["secure"] is True


async def test_a_sign_in_begins_a_user_session(door: Client, database: Any, school: dict[str, str]) -> None:
    """What Kolibri's front end tells of the device when somebody signs in is noted, as it is at Kolibri."""
    device = {"active": True, "os": {"name": "Linux", "major": ""}, "browser": {"name": "Chrome", "major": "130"}}
    body = {"username": "coach1", "password": PASSWORD, "facility": school["facility"], **device}

    status, _ = await Browser(door).ask("POST", SESSION, body)

    [log] = await database.user_session_logs.find({"user_id": school["coach1"]}).to_list(10)
    assert status == 200
    assert log["device_info"] == "Linux,/Chrome,130"


async def test_the_database_has_no_secret(door: Client, database: Any, school: dict[str, str]) -> None:
    """Neither the cookie's value nor a password hash is in the database as it is."""
    browser = Browser(door)

    await browser.sign_in("learner1", school["facility"])

    token = browser.cookies["kolibri"]
    session = await database.web_sessions.find_one({"_id": hashlib.sha256(token.encode()).hexdigest()})
    kept = await database.password_hashes.find_one({"_id": school["learner1"]})
    assert len(token) == 43
    assert session["user_id"] == school["learner1"]
    assert token not in str(session)
    assert b"pbkdf2" not in kept["sealed"]
    assert RECORDED["hashes"]["learner1"].rpartition("$")[2].encode() not in kept["sealed"]


async def test_a_session_is_new_at_each_sign_in(door: Client, school: dict[str, str]) -> None:
    """A token that an attacker put into the browser, or knew before, belongs to nobody after the sign-in."""
    mine, attacker = Browser(door), Browser(door)
    await mine.sign_in("learner1", school["facility"])
    first = mine.cookies["kolibri"]
    planted = Browser(door, {"kolibri": "A" * 43, "kolibri_csrftoken": "b" * 64})

    await planted.sign_in("learner2", school["facility"])
    await mine.sign_in("learner3", school["facility"])

    assert planted.cookies["kolibri"] != "A" * 43
    assert mine.cookies["kolibri"] != first
    for known in ("A" * 43, first):
        attacker.cookies = {"kolibri": known}
        assert (await attacker.ask("POST", TRACK, start_body()))[0] == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", TRACK), ("PUT", f"{TRACK}{'a' * 32}/"), ("PUT", CURRENT), ("DELETE", CURRENT), ("POST", SESSION)],
)
async def test_no_change_without_the_csrf_token(
    door: Client, database: Any, school: dict[str, str], method: str, path: str
) -> None:
    """What changes something, and comes with the session's cookie, is refused without the token of that session."""
    browser = Browser(door)
    await browser.sign_in("learner1", school["facility"])
    session = browser.cookies["kolibri"]
    other = Browser(door)
    await other.sign_in("learner2", school["facility"])
    count = await database.content_session_logs.count_documents({})
    body = {"username": "learner2", "password": PASSWORD, "facility": school["facility"], **start_body()}

    answers = []
    for token in (None, "x" * 64, other.cookies["kolibri_csrftoken"], session, "\u20ac".encode().decode("latin-1")):
        # The attacker's own token in the cookie, too: who can write cookies gains nothing.
        planted = Browser(door, {"kolibri": session, "kolibri_csrftoken": token or "x"})
        answers.append((await planted.ask(method, path, body, csrf=token))[0])

    assert answers == [403] * 5
    assert await database.content_session_logs.count_documents({}) == count
    assert await browser.who() == school["learner1"]


async def test_reading_needs_no_csrf_token(door: Client, school: dict[str, str]) -> None:
    """A list is read with the cookie alone, as the person who is signed in."""
    browser, visitor = Browser(door), Browser(door)
    await browser.sign_in("learner1", school["facility"])
    await browser.ask("POST", TRACK, start_body())

    found = [await each.ask("GET", "/api/logger/contentsessionlog/", csrf=None) for each in (browser, visitor)]

    assert [status for status, _ in found] == [200, 200]
    assert {log["user_id"] for log in found[0][1]["results"]} == {school["learner1"]}
    assert found[1][1]["results"] == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:PORT"}, 200),
        ({"Origin": "http://127.0.0.1:PORT", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[evil"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_no_page_of_another_site_signs_in(
    door: Client, school: dict[str, str], headers: dict[str, str], status: int
) -> None:
    """A page of another site cannot sign the browser in as somebody else; a program, or a page of ours, can."""
    sent = {name: value.replace("PORT", str(door.port)) for name, value in headers.items()}
    body = {"username": "learner1", "password": PASSWORD, "facility": school["facility"]}

    answered, _ = await Browser(door).ask("POST", SESSION, body, csrf=None, headers=sent)

    assert answered == status


async def test_sign_out_ends_the_session(door: Client, school: dict[str, str]) -> None:
    """After the sign-out the cookie, kept by somebody, is worth nothing, and is not taken for a visitor's."""
    browser = Browser(door)
    await browser.sign_in("learner1", school["facility"])
    kept = dict(browser.cookies)

    status, answer = await browser.ask("DELETE", CURRENT)

    thief = Browser(door, kept)
    assert (status, answer) == (200, [])
    assert "kolibri" not in browser.cookies
    status, answer = await thief.ask("POST", TRACK, start_body())
    assert status == 401
    assert answer[0]["metadata"]["message"] == "Your session has ended. Sign in again."
    assert await thief.who() is None
    assert "kolibri" not in thief.cookies
    assert (await thief.ask("POST", TRACK, start_body()))[0] == 200  # a visitor from now on


async def test_a_session_ends_by_its_age(service: DocService, school: dict[str, str]) -> None:
    """It ends some time after its last use, and some time after the sign-in in any case."""
    now = datetime.now(UTC)
    rules = SignInRules(with_password=True, idle_seconds=600, longest_seconds=1500)

    def at(seconds: float) -> Any:
        return service.with_clock(lambda: now + timedelta(seconds=seconds)).sign_ins(SECRET, rules)

    idle, used = await at(0).begin(school["learner1"]), await at(0).begin(school["learner1"])
    seen = [await at(seconds).user_of(used) for seconds in (599, 1100, 1499, 1501)]

    assert await at(601).user_of(idle) is None
    assert await at(0).user_of(idle) is None  # it was removed
    assert seen == [school["learner1"]] * 3 + [None]


async def test_a_session_ends_with_the_person(service: DocService, database: Any, school: dict[str, str]) -> None:
    """Who is withdrawn from the directory is signed out by the next request, for good."""
    sign_ins, user_id = service.sign_ins(SECRET, ON), uuid.uuid4().hex
    person = {"id": user_id, "username": user_id, "dataset": school["dataset"], "facility": school["facility"]}
    await service.import_directory({"users": [person]})
    token = await sign_ins.begin(user_id)
    before = await sign_ins.user_of(token)

    await database.facility_users.delete_one({"_id": user_id})

    assert before == user_id
    assert await sign_ins.user_of(token) is None
    await service.import_directory({"users": [person]})
    assert await sign_ins.user_of(token) is None


async def test_guessing_is_slowed_down_for_a_person(service: DocService, school: dict[str, str]) -> None:
    """After so many wrong passwords the right one is refused, too, unseen, until a minute has passed."""
    rules, now = SignInRules(with_password=True, tries_per_person=3), datetime.now(UTC)
    later = service.with_clock(lambda: now + timedelta(seconds=61))
    async with signing_in(service.with_clock(lambda: now), rules) as client, signing_in(later, rules) as minute_later:
        wrong = [(await Browser(client).sign_in("LEARNER2", school["facility"], f"guess {n}"))[0] for n in range(5)]
        right = (await Browser(client).sign_in("learner2", school["facility"]))[0]
        others = (await Browser(client).sign_in("learner3", school["facility"]))[0]
        after = (await Browser(minute_later).sign_in("learner2", school["facility"]))[0]

    assert wrong == [401, 401, 401, 429, 429]
    assert (right, others, after) == (429, 200, 200)


async def test_guessing_at_once_does_not_pass_the_limit(service: DocService, school: dict[str, str]) -> None:
    """Of many tries at the same moment, by two workers, no more than the limit are looked at."""
    rules = SignInRules(with_password=True, tries_per_person=3)
    async with signing_in(service, rules) as one, signing_in(service, rules) as two:
        tries = [
            Browser(client).sign_in("coach1", school["facility"], "guess") for client in (one, two) for _ in "1234"
        ]
        statuses = [status for status, _ in await asyncio.gather(*tries)]

    assert statuses.count(401) <= 3
    assert set(statuses) <= {401, 429}


async def test_guessing_is_slowed_down_for_an_address(service: DocService, school: dict[str, str]) -> None:
    """One address has so many wrong tries for all people together, unknown ones too; right ones do not count."""
    rules, now = SignInRules(with_password=True, tries_per_address=3), datetime.now(UTC)
    options = {"proxies": Proxies(["127.0.0.1"])}
    statuses = []
    async with signing_in(service.with_clock(lambda: now), rules, **options) as client:
        for address, username, password in [
            ("2001:db8::1", "learner1", PASSWORD),
            ("2001:db8::1", "nobody1", "x"),
            ("2001:db8::2", "nobody2", "x"),
            ("2001:db8::3", "learner1", "x"),
            ("2001:db8::4", "learner1", PASSWORD),
            ("2001:db8:1::4", "learner1", PASSWORD),
        ]:
            body = {"username": username, "password": password, "facility": school["facility"]}
            status, _ = await Browser(client).ask("POST", SESSION, body, headers={"X-Forwarded-For": address})
            statuses.append(status)

    assert statuses == [200, 400, 400, 401, 429, 200]


async def test_a_password_of_one_facility_is_none_of_another(door: Client, school: dict[str, str]) -> None:
    """A person signs in at the own facility only; a superuser at any."""
    refused, _ = await Browser(door).sign_in("learner1", school["other_facility"])
    allowed, answer = await Browser(door).sign_in("admin", school["other_facility"], "pass1234")
    other, _ = await Browser(door).sign_in("other_admin", school["other_facility"])

    assert (refused, allowed, other) == (400, 200, 200)
    assert answer["user_id"] == school["superuser"]


async def test_no_password_is_asked_for_only_if_both_sides_say_so(service: DocService, school: dict[str, str]) -> None:
    """A learner of a facility that needs no passwords needs one here, unless a setting says otherwise; staff always."""
    statuses = []
    for without in (False, True):
        rules = SignInRules(with_password=True, without_password=without)
        async with signing_in(service, rules) as client:
            for username, facility in (
                ("other_learner", school["other_facility"]),
                ("other_admin", school["other_facility"]),
                ("learner1", school["facility"]),
            ):
                statuses.append((await Browser(client).sign_in(username, facility, ""))[0])

    assert statuses == [400, 400, 400, 200, 400, 400]


async def test_a_sealed_password_opens_for_its_person_and_key_only(
    service: DocService, database: Any, school: dict[str, str]
) -> None:
    """Who can write the database gives nobody another person's password; another key opens none."""
    sealed = (await database.password_hashes.find_one({"_id": school["learner1"]}))["sealed"]
    await database.password_hashes.insert_one({"_id": NO_PASSWORD_ID, "sealed": sealed})
    async with signing_in(service, ON) as client:
        moved, _ = await Browser(client).sign_in("nopass", school["facility"])
    await database.password_hashes.delete_one({"_id": NO_PASSWORD_ID})

    other = service.sign_ins("another key that is long enough for HS256", ON)
    with pytest.raises(Exception, match="password needs to be set"):
        await other.check_password(
            _request(username="learner1", password=PASSWORD, facility=school["facility"]), address=None
        )

    assert moved == 400


def _request(**fields: Any) -> Any:
    from docservice import PasswordSignIn

    return PasswordSignIn(**fields)


async def test_a_bearer_token_counts_before_a_cookie(door: Client, school: dict[str, str]) -> None:
    """A token is asked alone: a good one needs no CSRF token, a bad one is never saved by a cookie."""
    browser = Browser(door)
    await browser.sign_in("learner1", school["facility"])
    token = issue_token(SECRET, school["learner2"], now=datetime.now(UTC), ttl_seconds=60)

    good, answer = await browser.ask(
        "PUT", CURRENT, {"active": False}, csrf=None, headers={"Authorization": f"Bearer {token}"}
    )
    bad, _ = await browser.ask("PUT", CURRENT, {"active": False}, headers={"Authorization": f"Bearer {token}x"})

    assert (good, answer["user_id"], bad) == (200, school["learner2"], 401)


@pytest.mark.parametrize(
    "cookie",
    ["x", "A" * 43, "A" * 44, "'; drop", '"\\012Set-Cookie: a=b"', "é" * 21, "{" * 2000, "\\" * 4000, "a=b=c"],
)
async def test_odd_cookies(door: Client, cookie: str) -> None:
    """An odd cookie is like one of a session that has ended: nothing fails, nothing of it comes back."""
    async with door.post(TRACK, json=start_body(), headers={"Cookie": f"kolibri={cookie}"}) as response:
        assert response.status == 401
        assert "Set-Cookie" not in response.headers


async def test_huge_cookies_are_refused(door: Client) -> None:
    """Headers beyond the limit are refused before anything is looked at."""
    async with door.post(TRACK, json=start_body(), headers={"Cookie": f"kolibri={'a' * 100_000}"}) as response:
        assert response.status == 400


@pytest.mark.parametrize(
    "body",
    [
        {"username": "learner1", "password": "p" * 5000},
        {"username": "x" * 100_000, "password": "p"},
        {"username": "$ne", "password": {"$ne": ""}},
        {"username": {"$gt": ""}, "password": "p"},
        {"username": "learner1", "password": "p", "facility": {"$ne": ""}},
        {"username": ".*", "password": "p"},
        {"username": "$username", "password": "p"},
        {"username": "le\ud800", "password": "p\ud800"},
        [],
        None,
    ],
)
async def test_odd_requests(door: Client, school: dict[str, str], body: Any) -> None:
    """Odd values in the place of username and password are refused, and never become a query of the database."""
    if isinstance(body, dict):
        body = {"facility": school["facility"], **body}

    status, _ = await Browser(door).ask("POST", SESSION, body)

    assert status in (400, 401)


async def test_it_is_off_unless_a_setting_says_so(client: Client, service: DocService, school: dict[str, str]) -> None:
    """Without the setting, or with a host's own sign-in, no password is taken, and Kolibri's cookie means nothing."""
    async with signing_in(service, SignInRules()) as links_only:
        answers = [await Browser(each).sign_in("learner1", school["facility"]) for each in (client, links_only)]
        visitor, _ = await Browser(links_only, {"kolibri": "A" * 43}).ask("POST", TRACK, start_body())

    assert [status for status, _ in answers] == [403, 403]
    assert visitor == 200
