"""Rules of signing in: hashes of a real Kolibri, sealing, tokens, paths, who is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docservice.domain.sign_in.accounts import SignInAccount, meant_account, needs_no_password
from docservice.domain.sign_in.django_hashes import is_right, read_hash
from docservice.domain.sign_in.sealing import SignInKeys
from docservice.domain.sign_in.sessions import csrf_token, is_csrf_token, is_from_another_site, is_token, stored_id
from docservice.domain.values.local_paths import path_problem

HASHES = json.loads((Path(__file__).parents[1] / "data" / "kolibri-sessions.json").read_text())["hashes"]
KEYS = SignInKeys("a key for tests that is long enough for HS256")
USER, OTHER = "a" * 32, "b" * 32


def test_a_real_kolibris_password() -> None:
    """The right password fits a hash that Kolibri 0.19.5 wrote, and no other one does."""
    stored = read_hash(HASHES["learner1"])

    assert stored is not None
    assert stored.rounds == 260_000
    assert is_right("pass-word-1", stored)
    assert not is_right("pass-word-2", stored)
    assert not is_right("", stored)


@pytest.mark.parametrize(
    "text",
    [
        "pbkdf2_sha256$12000$salt$MQAiPn/dCTc3oF1nuXpj7FdA2lh3+/NlGy8VAlCeJYE=",
        "pbkdf2_sha1$10$salt$vQAiPn/dCTc3oF1nuXpj7FdA2lg=",
    ],
)
def test_older_hashes_are_read(text: str) -> None:
    """Fewer rounds and SHA-1 are read as Django reads them."""
    assert read_hash(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "NOT_SPECIFIED",
        "",
        None,
        5,
        "!4xH8bkPqjUMKJxZxUeOLL9MGIdKzGRQcPGSBFF2a",
        "pbkdf2_sha256$0$salt$MQAiPn/dCTc3oF1nuXpj7FdA2lh3+/NlGy8VAlCeJYE=",
        "pbkdf2_sha256$999999999$salt$MQAiPn/dCTc3oF1nuXpj7FdA2lh3+/NlGy8VAlCeJYE=",
        "pbkdf2_sha256$10$salt$MQAi",
        "pbkdf2_sha256$10$salt$====",
        "pbkdf2_sha256$10$$MQAiPn/dCTc3oF1nuXpj7FdA2lh3+/NlGy8VAlCeJYE=",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA",
        "plain",
    ],
)
def test_what_no_password_fits(text: object) -> None:
    """Marks for no password, hashes of other kinds, and such as would keep a worker busy for minutes are none."""
    assert read_hash(text) is None


def test_sealed_hashes() -> None:
    """A sealed text opens with its keys for its person; damaged, for others or with other keys it does not."""
    sealed = KEYS.sealed(USER, HASHES["learner1"], b"n" * 12)

    assert KEYS.opened(USER, sealed) == HASHES["learner1"]
    assert KEYS.opened(OTHER, sealed) is None
    assert KEYS.opened(USER, sealed[:-1] + bytes([sealed[-1] ^ 1])) is None
    assert KEYS.opened(USER, b"") is None
    assert SignInKeys("another key for tests that is long enough").opened(USER, sealed) is None


def test_tokens() -> None:
    """What is stored of a token, and its CSRF token, follow from it and are not alike."""
    token = "A" * 43

    assert is_token(token)
    assert not is_token("A" * 42)
    assert not is_token("A" * 42 + "\n")
    assert is_csrf_token(csrf_token(token))
    assert not is_csrf_token("a" * 31)
    assert len({token, stored_id(token), csrf_token(token), csrf_token("B" * 43)}) == 4


@pytest.mark.parametrize(
    ("origin", "fetch_site", "other"),
    [
        (None, None, False),
        ("https://logs.example", None, False),
        ("https://LOGS.example", None, False),
        ("https://logs.example:8443", None, True),
        ("https://logs.example.evil", None, True),
        ("null", None, True),
        ("https://[", None, True),
        ("https://evil.example", "same-origin", False),
        (None, "cross-site", True),
        (None, "same-site", True),
        (None, "none", False),
    ],
)
def test_pages_of_other_sites(origin: str | None, fetch_site: str | None, other: bool) -> None:
    """A request is another site's if the browser says so; `Sec-Fetch-Site`, if there, decides."""
    assert is_from_another_site(origin, fetch_site, "logs.example") == other


@pytest.mark.parametrize("path", ["/", "/docs/", "/api/docs/?a=b#c", "/pages/%C3%A9"])
def test_paths_of_this_service(path: str) -> None:
    """A path below the service is one that a link may lead to."""
    assert path_problem(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "docs/",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "/docs/\r\nSet-Cookie: a=b",
        "/docs/\n",
        "/\t/evil.example",
        " /docs/",
        "/é",
        "/" + "a" * 3000,
    ],
)
def test_paths_of_others(path: str) -> None:
    """What leads a browser to another server, or ends a header, is refused."""
    assert path_problem(path) is not None


def test_who_is_meant() -> None:
    """Exactly this username counts before another case, and the facility's people before superusers."""
    small, capital = SignInAccount("1" * 32, "anna"), SignInAccount("0" * 32, "Anna")
    superuser = SignInAccount("2" * 32, "anna", is_superuser=True)

    assert meant_account("anna", [capital, small], [superuser]) == small
    assert meant_account("ANNA", [small, capital], [superuser]) == capital
    assert meant_account("anna", [], [superuser]) == superuser
    assert meant_account("anna", [], []) is None


def test_who_needs_no_password() -> None:
    """Mere learners, where the facility allows it; no role, no superuser."""
    learner, superuser = SignInAccount("1" * 32, "a"), SignInAccount("2" * 32, "b", is_superuser=True)

    assert needs_no_password(learner, has_roles=False, facility_allows=True)
    assert not needs_no_password(learner, has_roles=False, facility_allows=False)
    assert not needs_no_password(learner, has_roles=True, facility_allows=True)
    assert not needs_no_password(superuser, has_roles=False, facility_allows=True)
