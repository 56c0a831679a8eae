"""The ways to sign in, as the manual shows them: its examples run, word for word, against a service that runs."""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from tests.kolibri.samples import LEARNER, changing, rows, unpacked
from tests.support.sign_in import PASSWORD, RECORDED

from .manual import OUTPUTS, PAGES, blocks_of, section
from .running import Services, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[1] / "examples"
PYTHON = (sys.executable, "-W", "error")


def key_pair_commands() -> str:
    """The commands of the manual that make a key pair."""
    text = section(PAGES["sign-in"], "## A token of your sign-in")
    [block] = [each for each in blocks_of(text, "sh") if "openssl" in each]
    return "\n".join(line for line in block.splitlines() if line.startswith("openssl"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the example needs openssl")
async def test_the_examples_of_the_manual(services: Services, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """A Kolibri is imported with passwords; then its script, tokens of both kinds and a link sign its people in."""
    home = unpacked(tmp_path / "db.sqlite3")
    with changing(home) as file:
        file.execute(
            "UPDATE kolibriauth_facilityuser SET password = ? WHERE id = ?", (RECORDED["hashes"]["learner1"], LEARNER)
        )
    [person] = rows(home, "SELECT * FROM kolibriauth_facilityuser WHERE id = ?", (LEARNER,))
    data = str(tmp_path / "data")
    made = await run("-c", key_pair_commands(), program=("sh",), cwd=tmp_path)
    imported = await run("import", "kolibri", str(home), "--with-passwords", "--data-dir", data, seconds=200)
    service = await services.start(
        data_dir=tmp_path / "data",
        env={"DOCSERVICE_KOLIBRI_SIGN_IN": "true", "DOCSERVICE_JWT_PUBLIC_KEY_FILE": str(tmp_path / "sign-in.pem")},
    )

    key = (tmp_path / "data" / "secret_key").read_text()
    script = (service.base, person["facility_id"], person["username"].upper(), PASSWORD)
    like_kolibri = await run("like_kolibri.py", *script, program=PYTHON, cwd=EXAMPLES)
    own_token = await run("own_token.py", service.base, key, LEARNER, program=PYTHON, cwd=EXAMPLES)
    claims = {"sub": LEARNER, "exp": time.time() + 60}
    theirs = jwt.encode(claims, (tmp_path / "sign-in.key").read_bytes(), algorithm="RS256")
    linked = await run("token", person["username"], "--link", "--base-url", service.base, "--data-dir", data)

    assert made.code == 0, made.err
    assert imported.code == 0, imported.err
    assert "People without a password that could be kept: 66." in imported.err
    shown = OUTPUTS[(EXAMPLES / "like_kolibri.py").read_text(encoding="utf-8")]
    assert (like_kolibri.err, like_kolibri.out) == ("", shown.replace("Learner One", person["full_name"]))
    assert (own_token.err, own_token.out.strip()) == ("", person["username"])
    assert await user_of(http, service.base, {"Authorization": f"Bearer {theirs}"}) == LEARNER
    link = linked.out.strip()
    assert re.fullmatch(rf"{re.escape(service.base)}/sign-in/[\w-]{{43}}", link)
    assert linked.err.startswith(f"docservice: signs in as {person['full_name']} ({person['username']}) of ")
    assert await follow(http, link) == (200, "/docs/", LEARNER)
    async with http.get(link) as used:
        assert used.status == 410
    logged = service.err
    assert link.rpartition("/")[2] not in logged
    assert PASSWORD not in logged


async def user_of(http: aiohttp.ClientSession, base: str, headers: dict[str, str]) -> Any:
    """Whom the service takes a caller for."""
    async with http.put(f"{base}/api/auth/session/current/", json={"active": False}, headers=headers) as response:
        return (await response.json())["user_id"]


async def follow(http: aiohttp.ClientSession, link: str) -> tuple[int, str, Any]:
    """Use a link as a browser: the status and path of the page that it leads to, and who is signed in there."""
    base = link.partition("/sign-in/")[0]
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        async with browser.get(link) as asked:
            assert '<form method="post">' in await asked.text()
        async with browser.post(link) as page:
            await page.read()
        cookies = {cookie.key: cookie.value for cookie in jar}
        headers = {"X-CSRFToken": cookies["docservice_csrftoken"]}
        return page.status, page.url.path, await user_of(browser, base, headers)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--service", "--link"], "give PERSON"),
        ([LEARNER, "--link", "--path", "//evil.example"], "There are no logs in"),
        ([LEARNER, "--path", "/docs/"], "--path and --base-url are for --link"),
        ([LEARNER, "--link", "--base-url", "evil"], "is not an address"),
        ([LEARNER, "--link", "--ttl-seconds", "3601"], "at most 3600"),
    ],
)
async def test_what_makes_no_link_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    """Options that do not fit: exit code 2, one line, no link."""
    ended = await run("token", *arguments, "--data-dir", str(tmp_path / "data"))

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert said in ended.err


async def test_two_meanings_of_one_cookie(tmp_path: Path) -> None:
    """Passwords here and a Kolibri beside exclude each other, and an address that is none is named."""
    both = {"DOCSERVICE_KOLIBRI_SIGN_IN": "true", "DOCSERVICE_KOLIBRI_URL": "http://127.0.0.1:8080"}

    ended = [
        await run("token", "--service", "--data-dir", str(tmp_path), env=env)
        for env in (both, {"DOCSERVICE_KOLIBRI_URL": "kolibri"}, {"DOCSERVICE_JWT_LEEWAY_SECONDS": "-1"})
    ]

    assert [(each.code, each.out, len(each.err.splitlines())) for each in ended] == [(2, "", 1)] * 3
    assert "excludes DOCSERVICE_KOLIBRI_SIGN_IN" in ended[0].err
    assert "not the address of a Kolibri" in ended[1].err
