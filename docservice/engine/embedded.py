"""`EmbeddedEngine`: the engine of a data directory, for as long as a command or a host program needs it."""

from __future__ import annotations

import asyncio
import re
import stat
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from docservice.engine.builds import EngineBuild, chosen_build
from docservice.engine.events import EngineEvent
from docservice.engine.files import EngineFiles, refused
from docservice.engine.lease import Lease, acquire, ask
from docservice.engine.lease_server import SESSIONS_KEPT
from docservice.engine.transaction_lock import TransactionLock
from docservice.errors import DocServiceError, EngineNotRunning, SettingsInvalid

_CACHE_SIZE = re.compile(r"[1-9][0-9]*[MG]", re.ASCII)
_LONGEST_PAUSE_SECONDS = 5.0


def has_data(data_dir: Path) -> bool:
    """Whether an engine has ever kept anything in this data directory.

    Raises:
        SettingsInvalid: the directory cannot be looked at.
    """
    try:
        return stat.S_ISDIR(EngineFiles(data_dir).database.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise refused(data_dir, error) from error


@dataclass(frozen=True)
class RunningEngine:
    """An engine that runs now.

    Attributes:
        uri: its connection string, with the password.
        pid: its process id.
        build: which build it is.
    """

    uri: str
    pid: int
    build: EngineBuild


async def running_engine(data_dir: Path) -> RunningEngine | None:
    """Return the engine that runs now for this data directory, or None. Does not keep it running.

    Raises:
        SettingsInvalid: the directory cannot be looked at.
    """
    try:
        description = await ask(await asyncio.to_thread(EngineFiles, data_dir), "uri")
    except OSError as error:
        raise refused(data_dir, error) from error
    if description is None:
        return None
    _, writer, answer = description
    writer.close()
    build = EngineBuild(answer.get("build", "python"), answer.get("program", ""), answer.get("why", ""))
    return RunningEngine(str(answer["uri"]), int(answer["pid"]), build)


async def running_uri(data_dir: Path) -> str | None:
    """The connection string of the engine that runs now for this data directory, or None. Does not keep it running."""
    running = await running_engine(data_dir)
    return running.uri if running else None


class EmbeddedEngine:
    """Runs the embedded engine as long as the block lasts, shared with all processes that use the data directory.

        async with EmbeddedEngine(Path("data")) as engine:
            client = AsyncMongoClient(engine.uri)

    The engine stops when the last of them has ended, for whatever reason. Close clients before the block ends. If the
    engine dies it comes back with the same `uri`; `on_event` is called with it.

    Args:
        data_dir: data directory on a local disk; made when it is not there.
        on_event: called on the event loop for each event; must not block.
        startup_timeout_seconds: how long entering may take.
        stop_timeout_seconds: how long leaving waits for the engine to stop. It stops without that, too.
        cache_size: memory for the cache, as `512M` or `2G`: a limit, taken as it is needed. The changes of one
            transaction may take about 7 % of it (38 MB of 512M). The first command's value holds until the engine
            stops.
        engine: which build, as `DOCSERVICE_ENGINE` names it; None asks the environment, see `engine.builds`.

    Raises:
        SettingsInvalid: `cache_size` is not a size.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        on_event: Callable[[EngineEvent], None] | None = None,
        startup_timeout_seconds: float = 30.0,
        stop_timeout_seconds: float = 15.0,
        cache_size: str = "512M",
        engine: str | None = None,
    ) -> None:
        if not _CACHE_SIZE.fullmatch(cache_size):
            raise SettingsInvalid(
                f"The engine's cache size must be a whole number with M or G, as 512M, not {cache_size!r}."
            )
        self._data_dir = data_dir
        self._on_event = on_event
        self._startup_timeout_seconds = startup_timeout_seconds
        self._stop_timeout_seconds = stop_timeout_seconds
        self._cache_size = cache_size
        self._choice = engine
        self._lease: Lease | None = None
        self._transaction_lock: TransactionLock | None = None
        self._watch: asyncio.Task[None] | None = None
        self._sessions: OrderedDict[bytes, None] = OrderedDict()
        self._uri = ""
        self._joined = False
        self._restarts = 0

    @property
    def uri(self) -> str:
        """Connection string with user and password, for PyMongo, Motor and mongosh. Never log it.

        Raises:
            EngineNotRunning: the block has not been entered, or is over.
        """
        if not self._uri:
            raise EngineNotRunning("The embedded engine has not been started: use `async with`.")
        return self._uri

    @property
    def joined(self) -> bool:
        """Whether another process had started the engine."""
        return self._joined

    @property
    def restarts(self) -> int:
        """How often the engine was restarted since this object was entered."""
        return self._restarts

    def turn(self) -> AbstractAsyncContextManager[None]:
        """A block for one transaction, which one process at a time is in: the engine stalls under several at once.

        Raises:
            EngineNotRunning: the engine has never been entered.
        """
        if self._transaction_lock is None:
            raise EngineNotRunning("The embedded engine has not been started: use `async with`.")
        return self._transaction_lock.held()

    def name_session(self, session_id: bytes) -> None:
        """Name a session of the engine before the first transaction in it, by its id of 16 bytes.

        When this process dies, or is halted for some seconds, the transaction that it has open there is ended, and
        others can write what it had begun to write.
        """
        self._sessions[session_id] = None
        if len(self._sessions) > SESSIONS_KEPT:
            self._sessions.popitem(last=False)
        if self._lease is not None:
            self._lease.name_session(session_id)

    async def __aenter__(self) -> Self:
        """Start the engine, or join the one that runs.

        Raises:
            EngineNotInstalled: it is not installed; nothing was started.
            SettingsInvalid: the data directory cannot be used.
            EnginePasswordWrong: there are data, and the password file is missing or does not open them.
            EngineNotRunning: it did not start, or not in time. May be tried again.
        """
        if self._lease:
            raise RuntimeError("this engine is entered already")
        lease = await self._acquire()
        self._lease, self._uri, self._joined, self._restarts = lease, lease.uri, lease.supervisor is None, 0
        self._watch = asyncio.create_task(self._keep(lease), name="docservice-engine-watch")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the engine back. May be called again."""
        watch, self._watch = self._watch, None
        try:
            if watch:
                watch.cancel()
                await asyncio.wait({watch})
            if self._lease:
                async with asyncio.timeout(self._stop_timeout_seconds):
                    await self._lease.release()
        except TimeoutError:
            pass  # The supervisor goes on stopping the engine, and kills it in the end.
        finally:
            lease, self._lease, self._uri = self._lease, None, ""
            if lease:
                lease.drop()

    async def _acquire(self) -> Lease:
        # In a thread, because a path is made absolute with a look at the file system.
        files = await asyncio.to_thread(EngineFiles, self._data_dir)
        self._transaction_lock = TransactionLock(files.turn, files.next_turn)
        build = await asyncio.to_thread(chosen_build, files.data_dir, self._choice)
        return await acquire(files, build, cache_size=self._cache_size, timeout_seconds=self._startup_timeout_seconds)

    async def _keep(self, lease: Lease) -> None:
        while True:
            async for message in lease.events():
                self._told(message)
            lease.drop()
            self._lease = None
            self._emit("engine-lost", "the supervisor of the embedded engine has ended; it is started again")
            self._lease = lease = await self._recover()
            for session_id in self._sessions:
                lease.name_session(session_id)
            self._restarts += 1
            moved, self._uri = lease.uri != self._uri, lease.uri
            if moved:
                self._emit("engine-moved", f"the embedded engine runs again, but on port {lease.port}", lease.pid)
            else:
                self._emit("engine-recovered", f"the embedded engine runs again on port {lease.port}", lease.pid)

    async def _recover(self) -> Lease:
        pause = 0.1
        while True:
            try:
                return await self._acquire()
            except (DocServiceError, OSError) as error:
                self._emit("engine-recovery-failed", f"{error}\nNext attempt in {pause:g} s.")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _told(self, message: dict[str, Any]) -> None:
        pid = message.get("pid")
        match message.get("event"):
            case "engine-died":
                self._emit("engine-died", f"the embedded engine (process {pid}) died; it is restarted", pid)
            case "engine-restarted":
                self._restarts += 1
                self._emit("engine-restarted", f"the embedded engine runs again (process {pid})", pid)

    def _emit(self, name: str, message: str, pid: int | None = None) -> None:
        if not self._on_event:
            return
        try:
            self._on_event(EngineEvent(name, message, pid, self._restarts))
        except Exception as error:  # The caller's code: what is wrong there must not end the watch over the engine.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "on_event of an embedded engine failed", "exception": error}
            )
