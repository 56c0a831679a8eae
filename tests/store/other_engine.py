"""The embedded engine under another name: a server that docservice takes for a MongoDB."""

from __future__ import annotations

import asyncio
from typing import Self

from pymongo.uri_parser import parse_uri

_ITS_NAME = b"\x02setName\x00\x09\x00\x00\x00secantus\x00"
_OTHER_NAME = b"\x02setName\x00\x09\x00\x00\x00replica0\x00"


class OtherEngine:
    """Passes everything to the engine and back, but for the name of the replica set that its `hello` gives.

    Attributes:
        uri: the address to connect to. It names one server directly, or the driver would go to the engine itself.
    """

    uri: str

    def __init__(self, uri: str) -> None:
        """Stand before the engine with this address."""
        self._uri = uri
        self._host, self._port = parse_uri(uri)["nodelist"][0]
        self._pipes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        address = self._uri.replace(f"{self._host}:{self._port}", f"127.0.0.1:{port}")
        base, _, options = address.partition("?")
        kept = [each for each in options.split("&") if each and not each.startswith(("directConn", "replicaSet"))]
        base = base if base.rpartition("@")[2].removeprefix("mongodb://").count("/") else f"{base}/"
        self.uri = f"{base}?{'&'.join([*kept, 'directConnection=true'])}"
        return self

    async def __aexit__(self, *details: object) -> None:
        self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(self._host, self._port)
        self._pipes.add(asyncio.create_task(_pass_on(reader, requests)))
        self._pipes.add(asyncio.create_task(_pass_on(answers, writer)))


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on message by message; each begins with its length."""
    try:
        while True:
            head = await source.readexactly(4)
            message = head + await source.readexactly(int.from_bytes(head, "little") - 4)
            target.write(message.replace(_ITS_NAME, _OTHER_NAME))
            await target.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        target.close()
