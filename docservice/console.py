"""Shared by all commands: options, opening the service, output and error handling."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NoReturn

from cyclopts import Parameter
from rich.console import Console

from docservice.engine import EngineEvent, has_data
from docservice.errors import DocServiceError, RequestError, SettingsInvalid
from docservice.service import DocService
from docservice.settings import Settings
from docservice.store.database.mongodb_address import MongoAddress

errors = Console(stderr=True, highlight=False, soft_wrap=True)
"""Everything that is not a command's result goes to standard error, so that results can be piped."""

EXIT_FAILED = 1
EXIT_USAGE = 2

_CANCEL_AGAIN_SECONDS = 3.0
"""More than it takes to leave in order: what is under way then is cut short."""

_AGAIN = "Run the same command again: it goes on where it stopped."


@Parameter(name="*")
@dataclass(frozen=True)
class StoreOptions:
    """Where the logs are kept; every command takes these."""

    mongodb_uri: Annotated[str | None, Parameter(help="MongoDB connection string [DOCSERVICE_MONGODB_URI]")] = None
    database: Annotated[str | None, Parameter(help="name of the database [DOCSERVICE_DATABASE]")] = None
    data_dir: Annotated[
        Path | None, Parameter(help="folder of the embedded engine and generated secrets [DOCSERVICE_DATA_DIR]")
    ] = None

    @property
    def given(self) -> frozenset[str]:
        """The names of the settings that these options name."""
        return frozenset(name for name, value in vars(self).items() if value is not None)

    def settings(self, **given: object) -> Settings:
        """Return the settings of the environment with these options and `given` in their place."""
        settings = Settings.load(mongodb_uri=self.mongodb_uri, database=self.database, data_dir=self.data_dir, **given)
        if settings.mongodb_uri is not None:
            try:
                MongoAddress.parse(settings.mongodb_uri.get_secret_value())
            except SettingsInvalid as error:
                raise SettingsInvalid(f"DOCSERVICE_MONGODB_URI (or --mongodb-uri): {error}") from None
        return settings


def require_data(settings: Settings) -> None:
    """Refuse to look for logs in a folder that has none: a mistyped one would be made, and found to be in order.

    Raises:
        SettingsInvalid: no server is named, and the folder holds no data of an embedded engine.
    """
    if settings.mongodb_uri is None and not has_data(settings.data_dir):
        raise SettingsInvalid(
            f"There are no logs in {settings.data_dir} yet. Name the folder of an embedded engine with --data-dir, or "
            f"a server with --mongodb-uri; `docservice serve --data-dir {settings.data_dir}` begins a new one."
        )


def shell_address(engine_uri: str, database: str) -> str:
    """Return the connection string of the embedded engine with the database in it, as mongosh takes it."""
    return engine_uri.replace("/?", f"/{database}?", 1)


def say(message: str) -> None:
    """One line for the person at the console."""
    errors.print(message, markup=False)


def on_engine_event(event: EngineEvent) -> None:
    """Tell of the embedded engine's restarts."""
    say(f"engine: {event.message}")


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    apply_indexes: bool = True,
    on_engine_event: Callable[[EngineEvent], None] | None = on_engine_event,
    on_session: Callable[[bytes], None] | None = None,
) -> AsyncIterator[DocService]:
    """The service that the settings describe, entered."""
    uri = settings.mongodb_uri.get_secret_value() if settings.mongodb_uri else None
    async with DocService(
        uri,
        database=settings.database,
        data_dir=settings.data_dir,
        timeout_seconds=settings.mongodb_timeout_ms / 1000,
        min_free_disk_bytes=settings.min_free_disk_bytes,
        on_engine_event=on_engine_event,
        on_session=on_session,
        apply_indexes=apply_indexes,
    ) as service:
        yield service


def run(
    command: Coroutine[Any, Any, None],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    *,
    cancel_again_seconds: float = _CANCEL_AGAIN_SECONDS,
) -> None:
    """Run a command to its end; an error of ours is one line and an exit code, not a traceback.

    Ctrl-C and SIGTERM end it in order, and nothing half-written is left; a second one ends it at once.
    """
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            stopped = runner.run(_until_stopped(command, cancel_again_seconds))
    except DocServiceError as error:
        fail(error)
    except KeyboardInterrupt:
        stopped = _Stopped(signal.SIGINT, ())
    if stopped is not None:
        how = "interrupted" if stopped.by == signal.SIGINT else "stopped"
        say(" ".join((f"docservice: {how}.", *stopped.notes)))
        sys.exit(128 + stopped.by)


@contextmanager
def resumable() -> Iterator[None]:
    """A block of long work that the same command, run again, goes on with.

    If it is stopped, or ends with an error that may pass, the person at the console is told so. What fails before such
    a block has nothing to go on with.
    """
    try:
        yield
    except asyncio.CancelledError as stop:
        stop.add_note(_AGAIN)
        raise
    except DocServiceError as error:
        if error.retryable:
            error.add_note(_AGAIN)
        raise


class _Stopped(NamedTuple):
    """A command was ended by a signal.

    Attributes:
        by: its number.
        notes: what to say of the work that was under way.
    """

    by: int
    notes: tuple[str, ...]


async def _until_stopped(command: Coroutine[Any, Any, None], cancel_again_seconds: float) -> _Stopped | None:
    """Run a command; which signal stopped it, None if it came to its end."""
    running = asyncio.ensure_future(command)
    stopped_by: int | None = None

    def stop(number: int) -> None:
        nonlocal stopped_by
        if stopped_by is not None:
            os._exit(128 + number)
        stopped_by = number
        _cancel(running, cancel_again_seconds)

    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        await running
    except asyncio.CancelledError as cancelled:
        if stopped_by is None:
            raise
        return _Stopped(stopped_by, _notes(cancelled))
    return None


def _cancel(running: asyncio.Future[None], again_seconds: float) -> None:
    """Cancel a command until it ends: `asyncio.wait_for`, which the driver uses, loses some in Python 3.11."""
    if not running.done():
        running.cancel()
        running.get_loop().call_later(again_seconds, _cancel, running, again_seconds)


def fail(error: DocServiceError) -> NoReturn:
    """Print the error and exit: 2 if the caller can correct it, else 1."""
    message, notes = str(error), _notes(error)
    # What may be tried again says so itself where there is more to it than that.
    if notes and " again" not in message:
        message = " ".join((f"{message.rstrip('.')}.", *notes))
    say(f"docservice: {message}")
    sys.exit(exit_code_of(error))


def _notes(error: BaseException) -> tuple[str, ...]:
    return tuple(dict.fromkeys(getattr(error, "__notes__", ())))


def exit_code_of(error: DocServiceError) -> int:
    """Return 2 if the caller can correct the error, else 1."""
    return EXIT_USAGE if isinstance(error, (RequestError, SettingsInvalid)) else EXIT_FAILED
