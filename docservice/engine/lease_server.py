"""The supervisor's side of the leases.

A lease is a TCP connection on loopback, held open by a command as long as it needs the engine. The kernel closes it
when the command ends, however it ends: nothing else has to be cleaned up or believed.

One JSON object a line. The command starts with `{"secret": …, "want": "lease" | "uri"}` and gets `{"status": "ready",
"proof": …, "uri": …, "port": …, "pid": …, "count": …, "supervisor_pid": …}` or `{"status": "stopping"}`. A lease then
gets events (`{"event": "engine-died", …}`) until the command sends `{"release": true}` or closes. A release is answered
by `{"event": "released", "last": …}`; the connection is closed at once when others need the engine, and after the last
lease when the engine has stopped.

A command names each session of the engine before its first transaction in it (`{"session": "id in hex"}`), so that the
transaction which it has open when it dies can be ended. One that has named some is asked each second whether it is
alive (`{"event": "ping"}`) and says so (`{"pong": true}`): halted, it keeps its lease, but not its transactions.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger(__name__)

_HELLO_SECONDS = 5.0
_LINE_LIMIT_BYTES = 4096
_PING_SECONDS = 1.0
_UNANSWERED = 3
"""A command that does not answer this many pings in a row is halted."""

SESSIONS_KEPT = 1_000
"""Of the sessions that a command names, these last ones are kept."""


@dataclass(eq=False)
class _Holder:
    writer: asyncio.StreamWriter
    sessions: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    unanswered: int = 0

    def names(self, session: str) -> None:
        self.sessions[bytes.fromhex(session)] = None
        if len(self.sessions) > SESSIONS_KEPT:
            self.sessions.popitem(last=False)


class LeaseServer:
    """Gives out leases and notices when the last one has ended.

    Args:
        describe: gives the fields of a `ready` answer, as they are now.
        abandon: is called with the sessions of a command that has ended or is halted.
    """

    def __init__(self, describe: Callable[[], dict[str, Any]], abandon: Callable[[Iterable[bytes]], None]) -> None:
        self.secret = secrets.token_urlsafe(32)
        self.proof = secrets.token_urlsafe(32)
        self.port = 0
        self._describe = describe
        self._abandon = abandon
        self._leases: dict[asyncio.StreamWriter, _Holder] = {}
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._had_one = asyncio.Event()
        self._idle = asyncio.Event()
        self._refusing = False
        self._closed = asyncio.Event()

    @property
    def count(self) -> int:
        """How many leases are held."""
        return len(self._leases)

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LINE_LIMIT_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def wait_until_unused(self, first_lease_seconds: float) -> None:
        """Wait until the last lease has ended, or until none has come in this time. No lease is given after that."""
        try:
            async with asyncio.timeout(first_lease_seconds):
                await self._had_one.wait()
        except TimeoutError:
            log.warning("no command came for the engine within %g s", first_lease_seconds)
            self.refuse()
            return
        await self._idle.wait()

    def refuse(self) -> None:
        """Give no lease any more."""
        self._refusing = True

    def broadcast(self, event: dict[str, Any]) -> None:
        """Tell every holder. One that does not read is not waited for."""
        for writer in self._leases:
            if writer.transport.get_write_buffer_size() < _LINE_LIMIT_BYTES:
                _send(writer, event)

    async def watch(self) -> None:
        """Ask the commands that have named sessions whether they are alive, until cancelled."""
        while True:
            await asyncio.sleep(_PING_SECONDS)
            for holder in self._leases.values():
                if not holder.sessions:
                    continue
                # Pings are counted, not seconds: a halt of this process or of the machine makes no command late.
                if holder.unanswered and holder.unanswered % _UNANSWERED == 0:
                    log.warning("a command does not answer: its transactions are ended")
                    self._abandon(holder.sessions)
                holder.unanswered += 1
                if holder.writer.transport.get_write_buffer_size() < _LINE_LIMIT_BYTES:
                    _send(holder.writer, {"event": "ping"})

    async def close(self) -> None:
        """End all connections, with those that wait for the engine to have stopped."""
        self.refuse()
        self._closed.set()
        if self._server:
            self._server.close()
        for writer in tuple(self._connections):
            writer.close()
        for writer in tuple(self._connections):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                hello = _parse(await reader.readline())
            if not secrets.compare_digest(str(hello.get("secret", "")).encode(), self.secret.encode()):
                return
            if self._refusing:
                _send(writer, {"status": "stopping"})
                await writer.drain()
                return
            _send(writer, {"status": "ready", "proof": self.proof, **self._describe()})
            if hello.get("want") == "lease":
                await self._hold(reader, writer)
            else:
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # Who connects and goes, or talks nonsense, has no lease.
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        holder = self._leases[writer] = _Holder(writer)
        self._had_one.set()
        log.info("lease given, %d held", self.count)
        released = False
        try:
            await writer.drain()
            while line := await reader.readline():
                message = _parse(line)
                if message.get("release"):
                    released = True
                    break
                holder.unanswered = 0
                if "session" in message:
                    holder.names(str(message["session"]))
        finally:
            del self._leases[writer]
            log.info("lease back, %d held", self.count)
            if not self._leases:
                self.refuse()
                self._idle.set()
            else:
                self._abandon(holder.sessions)
        if released:
            last = not self._leases
            _send(writer, {"event": "released", "last": last})
            if last:
                await self._closed.wait()


def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")


def _parse(line: bytes) -> dict[str, Any]:
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message
