"""Passwords of an imported Kolibri: left out unless asked for, then kept sealed, and gone with the person."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService, PasswordSignIn, SignInRules
from docservice.errors import CredentialsRefused, PasswordNotSet, UsernameUnknown
from docservice.export.backup import export_ndjson
from docservice.kolibri import import_kolibri
from tests.support.sign_in import PASSWORD, RECORDED
from tests.support.signing import SECRET

from .samples import LEARNER, changing, rows

HASH, OTHER_HASH = RECORDED["hashes"]["learner1"], RECORDED["hashes"]["superuser"]


@pytest.fixture
def home(part: Path) -> Path:
    """A Kolibri where one learner has a password, and everybody else something that no password fits."""
    with changing(part) as file:
        file.execute("UPDATE kolibriauth_facilityuser SET password = ? WHERE id = ?", (HASH, LEARNER))
    return part


async def sign_in(service: DocService, home: Path, password: str) -> str:
    """The id of the learner, signed in with a password."""
    [person] = rows(home, "SELECT username, facility_id FROM kolibriauth_facilityuser WHERE id = ?", (LEARNER,))
    request = PasswordSignIn(username=person["username"], facility=person["facility_id"], password=password)
    sign_ins = service.sign_ins(SECRET, SignInRules(with_password=True))
    return (await sign_ins.check_password(request, address=None)).id


async def test_passwords_come_only_if_asked_for(empty: DocService, database: Any, home: Path, tmp_path: Path) -> None:
    """Without the option nothing of a password is stored; with it people sign in, and no backup holds it."""
    await import_kolibri(empty, home)
    without = await database.password_hashes.count_documents({})
    with pytest.raises(PasswordNotSet):
        await sign_in(empty, home, PASSWORD)

    first = await import_kolibri(empty, home, passwords_secret=SECRET)
    again = await import_kolibri(empty, home, passwords_secret=SECRET)

    assert without == 0
    assert await sign_in(empty, home, PASSWORD) == LEARNER
    with pytest.raises(CredentialsRefused):
        await sign_in(empty, home, "dummy")
    assert (first.counts["passwords"].read, first.counts["passwords"].new) == (1, 1)
    assert (again.counts["passwords"].unchanged, again.changes) == (1, 0)
    assert "People without a password that could be kept: 66." in first.notes
    await export_ndjson(empty, tmp_path / "backup.ndjson.gz")
    backup = gzip.decompress((tmp_path / "backup.ndjson.gz").read_bytes())
    assert b"password_hashes" not in backup
    assert HASH.encode() not in backup


@pytest.mark.slow
async def test_passwords_follow_the_kolibri(empty: DocService, database: Any, home: Path) -> None:
    """The next import changes a password that was changed there, and signs the person out; one that is gone is gone."""
    await import_kolibri(empty, home, passwords_secret=SECRET)
    sign_ins = empty.sign_ins(SECRET)
    token = await sign_ins.begin(LEARNER)
    await import_kolibri(empty, home, passwords_secret=SECRET)
    unchanged = await sign_ins.user_of(token)
    with changing(home) as file:
        file.execute("UPDATE kolibriauth_facilityuser SET password = ? WHERE id = ?", (OTHER_HASH, LEARNER))

    changed = await import_kolibri(empty, home, passwords_secret=SECRET)
    signed_in = await sign_in(empty, home, "pass1234")
    with changing(home) as file:
        file.execute("UPDATE kolibriauth_facilityuser SET password = 'NOT_SPECIFIED' WHERE id = ?", (LEARNER,))
    await import_kolibri(empty, home, passwords_secret=SECRET)

    assert changed.counts["passwords"].updated == 1
    assert (unchanged, await sign_ins.user_of(token)) == (LEARNER, None)
    assert signed_in == LEARNER
    assert await database.password_hashes.count_documents({}) == 0


@pytest.mark.slow
async def test_passwords_and_sessions_go_with_the_person(empty: DocService, database: Any, home: Path) -> None:
    """Who is gone at the Kolibri leaves no password, session or link here."""
    await import_kolibri(empty, home, passwords_secret=SECRET)
    sign_ins = empty.sign_ins(SECRET, SignInRules(with_password=True))
    token = await sign_ins.begin(LEARNER)
    await empty.admin.sign_in.make_link(LEARNER, path="/docs/", ttl_seconds=60)
    with changing(home) as file:
        [person] = rows(home, "SELECT username, facility_id FROM kolibriauth_facilityuser WHERE id = ?", (LEARNER,))
        file.execute("DELETE FROM kolibriauth_facilityuser WHERE id = ?", (LEARNER,))

    await import_kolibri(empty, home)

    assert await sign_ins.user_of(token) is None
    for collection in ("password_hashes", "web_sessions", "sign_in_links"):
        assert await database[collection].count_documents({}) == 0, collection
    request = PasswordSignIn(username=person["username"], facility=person["facility_id"], password=PASSWORD)
    with pytest.raises(UsernameUnknown):
        await sign_ins.check_password(request, address=None)
