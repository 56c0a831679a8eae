"""A database file is read as SQLite reads it, at one moment, and nothing is written in its folder."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService
from docservice.errors import SettingsInvalid
from docservice.kolibri import ImportReport, import_kolibri
from docservice.service.base.progress import NoWatch

from .samples import LEARNER, changing, rows

pytestmark = pytest.mark.slow

CHANGE = """
import os, sqlite3, sys, time
path, name, *pragmas = sys.argv[1:]
file = sqlite3.connect(path, isolation_level=None)
for pragma in pragmas:
    file.execute("PRAGMA " + pragma)
for statement in sys.stdin.read().split(";"):
    file.execute(statement)
print("ready", flush=True)
if name == "stays":
    time.sleep(600)
os._exit(9)
"""
"""A program that changes a Kolibri, and then stays as it is or ends without closing anything."""

RENAME = f"UPDATE kolibriauth_facilityuser SET full_name = 'changed' WHERE id = '{LEARNER}'"
SPILL = "cache_size = 1"
"""Changes go into the file before they are complete."""
CUT_SHORT = f"BEGIN; {RENAME}; DELETE FROM logger_usersessionlog"


@pytest.fixture
def home(part: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a directory and a few logs, beside a folder for temporary files."""
    target = tmp_path / "home"
    target.mkdir()
    with changing(part) as file:
        file.execute("PRAGMA journal_mode = DELETE")
        for table in ("contentsummarylog", "contentsessionlog", "masterylog", "attemptlog"):
            file.execute(f"DELETE FROM logger_{table}")
        file.execute("DELETE FROM content_contentnode")
    shutil.move(part, target / "db.sqlite3")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return target


@contextmanager
def changed(home: Path, statements: str, *pragmas: str, stays: bool = False) -> Iterator[None]:
    """A program changes the database of a home; it is killed before the block, or after it."""
    command = [sys.executable, "-c", CHANGE, str(home / "db.sqlite3"), "stays" if stays else "ends", *pragmas]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdin is not None
            assert program.stdout is not None
            program.stdin.write(statements)
            program.stdin.close()
            assert program.stdout.readline() == "ready\n"
            if not stays:
                program.wait()
            yield
        finally:
            program.kill()


def state(home: Path) -> dict[str, tuple[int, int, bytes]]:
    """What is in a home: file by file its id, the time of the last change, and what is in it."""
    return {
        file.name: (file.stat().st_ino, file.stat().st_mtime_ns, file.read_bytes())
        for file in (home, *sorted(home.iterdir()))
        if file.is_file()
    } | {".": (home.stat().st_ino, home.stat().st_mtime_ns, b"")}


async def imported(empty: DocService, home: Path, **options: Any) -> ImportReport:
    """Import a home, which stays as it is, and leaves nothing elsewhere."""
    before = state(home)
    report = await import_kolibri(empty, home, **options)
    assert state(home) == before
    assert list((home.parent / "temporary").iterdir()) == []
    return report


async def name_of_learner(database: Any) -> str:
    """The name of a person who is in every home here."""
    found: str = (await database.facility_users.find_one({"_id": LEARNER}))["full_name"]
    return found


async def test_a_change_that_was_cut_short(empty: DocService, database: Any, home: Path) -> None:
    """A program was killed in a transaction, with changes in the file and a journal beside it: they are undone."""
    name = rows(home / "db.sqlite3", "SELECT * FROM kolibriauth_facilityuser WHERE id = ?", (LEARNER,))[0]["full_name"]
    with changed(home, CUT_SHORT, SPILL):
        assert b"changed" in (home / "db.sqlite3").read_bytes()

        report = await imported(empty, home)

    assert await name_of_learner(database) == name
    assert report.counts["user sessions"].new > 0
    assert "with its rollback journal" in report.copied


async def test_a_first_page_that_is_half_written(empty: DocService, database: Any, home: Path) -> None:
    """A crash may have torn any page, also the one that says that this is a database: the journal has it whole."""
    with changed(home, CUT_SHORT, SPILL), (home / "db.sqlite3").open("r+b") as file:
        file.write(bytes(512))

    report = await imported(empty, home)

    assert await name_of_learner(database) != "changed"
    assert report.counts["users"].new == 67


def name_super_journal(journal: Path, name: Path) -> None:
    """Make a journal one of several of a transaction over several files. Rule: fileformat2.html, 3.1."""
    text = str(name).encode()
    page_size = 4096
    record = struct.pack(">I", 0x40000000 // page_size + 1) + text
    record += struct.pack(">II", len(text), sum(text)) + bytes.fromhex("d9d505f920a163d7")
    content = journal.read_bytes()
    journal.write_bytes(content + record)


@pytest.mark.parametrize("committed", [True, False])
async def test_a_change_of_several_files(empty: DocService, database: Any, home: Path, committed: bool) -> None:
    """With the super-journal gone the change of all files is complete, and stays; else it is undone in all of them."""
    with changed(home, CUT_SHORT.replace("DELETE FROM", "UPDATE") + " SET device_info = 'x'", SPILL):
        name_super_journal(home / "db.sqlite3-journal", home / "db.sqlite3-mj12345678")
    if not committed:
        (home / "db.sqlite3-mj12345678").write_bytes(f"{home / 'db.sqlite3-journal'}\0".encode())

    await imported(empty, home)

    assert (await name_of_learner(database) == "changed") is committed


@pytest.mark.parametrize("mode", ["PERSIST", "TRUNCATE"])
async def test_a_journal_that_is_not_hot(empty: DocService, database: Any, home: Path, mode: str) -> None:
    """A journal that is zeroed or empty belongs to a change that was completed."""
    with changed(home, RENAME, f"journal_mode = {mode}"):
        assert (home / "db.sqlite3-journal").exists()

        report = await imported(empty, home)

    assert await name_of_learner(database) == "changed"
    assert "its rollback journal" not in report.copied


@pytest.mark.parametrize("left", ["running", "killed", "without -shm", "closed"])
async def test_a_write_ahead_log(empty: DocService, database: Any, home: Path, left: str) -> None:
    """The latest change counts, whether Kolibri runs, was killed, or has folded its log into the file; no file is
    made beside it."""
    with changed(home, RENAME, "journal_mode = WAL", "wal_autocheckpoint = 0", stays=left == "running"):
        if left == "without -shm":
            (home / "db.sqlite3-shm").unlink()
        if left == "closed":
            with closing(sqlite3.connect(home / "db.sqlite3")) as last:
                last.execute("SELECT count(*) FROM sqlite_master").fetchone()
            assert set(state(home)) == {"db.sqlite3", "."}

        report = await imported(empty, home)

    assert await name_of_learner(database) == "changed"
    assert ("with its write-ahead log" in report.copied) is (left != "closed")


class Disturbing(NoWatch):
    """Calls a function when the import comes to a part, and notes that it did."""

    def __init__(self, part: str, disturb: Callable[[], None]) -> None:
        self._part = part
        self._disturb = disturb
        self.done = False

    def begin(self, part: str, total: int | None = None) -> None:
        """See `Watch.begin`."""
        if part == self._part:
            self._disturb()
            self.done = True


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
async def test_a_kolibri_at_work(empty: DocService, home: Path, mode: str) -> None:
    """All tables are of the moment at which the import began, and Kolibri does not wait for its end."""
    with closing(sqlite3.connect(home / "db.sqlite3", timeout=0)) as running:
        running.execute(f"PRAGMA journal_mode = {mode}")
        number = running.execute("SELECT count(*) FROM logger_usersessionlog").fetchone()[0]

        def work() -> None:
            running.execute("DELETE FROM logger_usersessionlog")
            running.commit()
            running.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            running.execute("VACUUM")

        watch = Disturbing("content summaries", work)
        report = await import_kolibri(empty, home, watch=watch)

    assert watch.done
    assert report.counts["user sessions"].new == number > 0


async def test_a_writer_is_waited_for(empty: DocService, database: Any, home: Path) -> None:
    """While a program is in the middle of a change the import waits; then it has the change, too."""
    with closing(sqlite3.connect(home / "db.sqlite3", isolation_level=None)) as running:
        running.execute("BEGIN EXCLUSIVE")
        importing = asyncio.create_task(import_kolibri(empty, home))
        await asyncio.sleep(0.5)
        running.execute(RENAME)
        assert not importing.done()
        running.execute("COMMIT")
        await importing

    assert await name_of_learner(database) == "changed"


async def test_a_writer_that_does_not_end(empty: DocService, home: Path) -> None:
    """After a time the import says who is in the way, and what to do; nothing was written."""
    with changed(home, CUT_SHORT, SPILL, stays=True), pytest.raises(SettingsInvalid, match=r"is locked.*stop Kolibri"):
        await imported(empty, home, lock_wait_seconds=0.3)

    assert list((home.parent / "temporary").iterdir()) == []


async def test_interrupted_while_it_waits(empty: DocService, home: Path) -> None:
    """The folder of the copy is for the owner alone, and is gone when the import was cancelled, which is soon."""
    temporary = home.parent / "temporary"
    with changed(home, CUT_SHORT, SPILL, stays=True):
        importing = asyncio.create_task(import_kolibri(empty, home))
        await asyncio.sleep(0.5)
        assert [folder.stat().st_mode & 0o777 for folder in temporary.iterdir()] == [0o700]
        importing.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await importing

    assert list(temporary.iterdir()) == []


async def test_no_room_for_the_copy(empty: DocService, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that the copy would fill is not begun with, and the error says how much is needed and where."""
    size = (home / "db.sqlite3").stat().st_size
    disk = shutil.disk_usage(home)
    monkeypatch.setattr("shutil.disk_usage", lambda _: disk._replace(free=size + 1000))

    with pytest.raises(SettingsInvalid, match=rf"{size:,} bytes.*no room.*TMPDIR"):
        await imported(empty, home)

    assert list((home.parent / "temporary").iterdir()) == []
