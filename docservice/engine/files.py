"""The files of the embedded engine under a data directory, and how they are read and written.

    DATA_DIR/engine/              0700
        lock                      held by the supervisor as long as it lives; never removed
        turn, turn.next           locked by the process that runs a transaction and by the first in the queue, see
                                  `transaction_lock`; never removed
        state.json                0600; written by the supervisor, removed by it when the engine has stopped cleanly
        password                  0600; the password of the account `docservice`, made once; `reset` makes another
        port                      the port used last, preferred at the next start
        bootstrap.tls/            0700; certificates and keys of a bootstrap, see `startup`; removed after it
        bootstrap                 left by an earlier version that was killed while it made the account, see `startup`
        secantusd.toml            written at each start
        supervisor.log, engine.log, each with one predecessor (`.1`)
        data.new/                 the database while it is being made, see `startup`
        data/                     the database
        data.old/, rebuild/       while it is made again, see `rebuild`; left if that was killed

Everything here blocks: the command side calls it through `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote_plus

from docservice.errors import DocServiceError, EngineNotRunning, EnginePasswordWrong, SettingsInvalid
from docservice.ownership import make_private, other_owner, require_own

USER = "docservice"
"""Name of the one account that the engine has."""

LOG_LIMIT_BYTES = 1_000_000
"""A supervisor log over this size is set aside before the next supervisor starts."""

_STARTING_POINTS = {"WiredTiger.turtle", "WiredTiger.turtle.set"}
"""In one of them its storage finds all other files; the second one is there while the first is replaced."""

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


class EngineFiles:
    """The paths of one data directory's engine.

    Args:
        data_dir: the data directory. It is made absolute, because supervisor and engine run in another folder.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.directory = self.data_dir / "engine"
        self.lock = self.directory / "lock"
        self.turn = self.directory / "turn"
        self.next_turn = self.directory / "turn.next"
        self.state = self.directory / "state.json"
        self.password = self.directory / "password"
        self.port = self.directory / "port"
        self.bootstrap = self.directory / "bootstrap"
        self.certificates = self.directory / "bootstrap.tls"
        self.config = self.directory / "secantusd.toml"
        self.supervisor_log = self.directory / "supervisor.log"
        self.engine_log = self.directory / "engine.log"
        self.database = self.directory / "data"
        self.unfinished = self.directory / "data.new"
        self.replaced = self.directory / "data.old"
        self.rebuilding = self.directory / "rebuild"

    def prepare(self) -> None:
        """Make the folders, closed to other users.

        Raises:
            SettingsInvalid: the data directory cannot be made or written, or its engine is another user's.
            EngineNotRunning: the disk is full.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            require_own(self.directory)
            self.directory.chmod(0o700)
            for lock in (self.lock, self.turn, self.next_turn):
                with open_private(lock, os.O_RDWR | os.O_CREAT):
                    pass
        except OSError as error:
            raise refused(self.data_dir, error) from error

    def has_database(self) -> bool:
        """Whether there is a database. An empty folder that was prepared is not one.

        Raises:
            EngineNotRunning: there is one without the file in which the storage finds all others, as a copy may be that
                was cut short; or a link to one whose disk is not mounted. An empty database would take its place.
        """
        try:
            names = {path.name for path in self.database.iterdir()}
        except FileNotFoundError:
            if self.database.is_symlink():
                raise EngineNotRunning(
                    f"{self.database} is a link to a folder that is not there: {self.database.readlink()}. Mount its "
                    "disk, or remove the link to begin with an empty database."
                ) from None
            if not self.replaced.is_dir():
                return False
            # A rebuild was killed when it had moved the database aside, and not put the new one in its place.
            self.replaced.replace(self.database)
            return self.has_database()
        except NotADirectoryError:
            return True
        if names and not names & _STARTING_POINTS:
            raise EngineNotRunning(
                f"The embedded engine's database in {self.database} is not whole: {min(_STARTING_POINTS)} is missing. "
                "Put the whole folder back from a backup. Nothing was changed."
            )
        return bool(names)


@dataclass(frozen=True)
class EngineState:
    """What `state.json` says.

    Attributes:
        supervisor_pid: process id of the supervisor that wrote it.
        engine_pid: process id of the engine, or None before the first one runs.
        engine_port: TCP port of the engine, or None.
        lease_port: TCP port of the lease server, or None while the supervisor is starting.
        lease_secret: what a command has to say first on that port; new for each supervisor.
        lease_proof: the response that only the supervisor can give: the port may be another program's by now.
    """

    supervisor_pid: int
    engine_pid: int | None = None
    engine_port: int | None = None
    lease_port: int | None = None
    lease_secret: str = ""
    lease_proof: str = ""

    def write(self, files: EngineFiles) -> None:
        """Replace the state file."""
        write_private(files.state, json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, files: EngineFiles) -> EngineState | None:
        """Return the state, or None when there is none that can be understood."""
        try:
            state = cls(**json.loads(files.state.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return state if state._is_sound() else None

    def _is_sound(self) -> bool:
        """Whether the values are what they should be: by hand or by a fault the file may have come to anything."""
        ports = (self.engine_port, self.lease_port)
        return (
            isinstance(self.supervisor_pid, int)
            and isinstance(self.engine_pid, int | None)
            and all(port is None or (isinstance(port, int) and 0 <= port < 65536) for port in ports)
            and isinstance(self.lease_secret, str)
            and isinstance(self.lease_proof, str)
        )


def refused(data_dir: Path, error: OSError) -> DocServiceError:
    """Return the error to raise when the data directory cannot be used."""
    reason = error.strerror or str(error)
    if error.filename and Path(str(error.filename)) != data_dir:
        reason += f" ({error.filename})"
    if error.errno in _FULL:
        return EngineNotRunning(
            f"The embedded engine cannot start: no space is left for the data directory {data_dir}."
        )
    return SettingsInvalid(
        f"The data directory {data_dir} cannot be used: {reason}{_whose(data_dir)}. Choose another with --data-dir."
    )


def _whose(data_dir: Path) -> str:
    for folder in (data_dir / "engine", data_dir):
        with contextlib.suppress(OSError):
            if owner := other_owner(folder):
                return f"; it belongs to the user {owner}"
    return ""


@contextlib.contextmanager
def open_private(path: Path, flags: int) -> Iterator[int]:
    """A file descriptor of a file that only its owner may read; closed at the end of the block."""
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole: after a crash it holds either the old text or the new one."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    try:
        with open_private(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            os.write(descriptor, text.encode())
            os.fsync(descriptor)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Have all that was renamed in a folder so far on the disk, before what comes later."""
    if sys.platform == "win32":  # Folders cannot be opened there.
        return
    with open_private(folder, os.O_RDONLY) as descriptor:
        os.fsync(descriptor)


def ensure_password(files: EngineFiles) -> str:
    """Return the password of the engine's account; made when there is no database yet. Only for the holder of the lock.

    Raises:
        EnginePasswordWrong: there is a database, and no password in the file. A database is not opened without it.
    """
    password = read_password(files)
    if not password:
        if files.has_database():
            raise password_wrong(files)
        password = make_password()
        write_private(files.password, password + "\n")
    make_private(files.password)
    return password


def read_password(files: EngineFiles) -> str:
    """Return the password in the file; empty when the file is missing, empty or not text."""
    try:
        return files.password.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def make_password() -> str:
    """Return a new password, of letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(32)


def password_wrong(files: EngineFiles) -> EnginePasswordWrong:
    """Return the error to raise when a database is there and the password file does not open it; says what to do."""
    what = (
        f"The embedded engine does not take the password in {files.password}."
        if read_password(files)
        else f"The password of the embedded engine is missing: {files.password} is missing or empty. "
        f"The data in {files.database} are not opened without it."
    )
    return EnginePasswordWrong(
        f"{what} Put the file back from a backup, or make a new password for the same data: "
        f"docservice engine reset-password --data-dir {shlex.quote(str(files.data_dir))}"
    )


def remembered_port(files: EngineFiles) -> int:
    """Return the port used last, or 0."""
    try:
        port = int(files.port.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
    return port if 0 < port < 65536 else 0


def connection_string(port: int, password: str) -> str:
    """Return the URI that PyMongo, Motor and mongosh take."""
    # The password is URL-safe as it is made, but the file may hold anything.
    return f"mongodb://{USER}:{quote_plus(password)}@127.0.0.1:{port}/?authSource=admin&directConnection=true"


def set_aside(log: Path, over_bytes: int = 0) -> None:
    """Rename a log that is over this size to `<name>.1`, so that logs cannot grow without bound."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > over_bytes:
            log.replace(log.with_name(log.name + ".1"))


def last_lines(log: Path, count: int = 12) -> str:
    """Return the last lines of a log, oldest first; empty when there is no log."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 16_384))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-count:])
