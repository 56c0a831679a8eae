"""A way to the database that a test can shut, and connections in it that a test can cut."""

from __future__ import annotations

import asyncio
from typing import Self

from pymongo.uri_parser import parse_uri


class Gateway:
    """A way to the database that a test can shut.

    Attributes:
        uri: the address of the database by this way.
    """

    uri: str

    def __init__(self, uri: str) -> None:
        self._target = parse_uri(uri)["nodelist"][0]
        self._direct_uri = uri
        self._pipes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        host, port = self._target
        here = self._server.sockets[0].getsockname()[1]
        self.uri = self._direct_uri.replace(f"{host}:{port}", f"127.0.0.1:{here}")
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.shut()

    async def shut(self) -> None:
        """Take no more connections and cut those that are there."""
        self._server.close()
        await self.cut()

    async def cut(self) -> int:
        """Close the connections that are there, as a server does with those that were silent too long; how many."""
        pipes, self._pipes = self._pipes, set()
        alive = sum(not pipe.done() for pipe in pipes)
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)
        return alive // 2

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        if not self._server.is_serving():  # shut meanwhile
            back.close()
            writer.close()
            return
        for source, target in ((reader, back), (there, writer)):
            self._pipes.add(asyncio.create_task(self._pass(source, target)))

    @staticmethod
    async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        finally:
            target.close()
