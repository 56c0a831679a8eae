"""PyMongo's async client as the database of the repositories."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager, nullcontext
from datetime import UTC
from typing import Any, cast

import pymongo
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, InvalidName, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from docservice.errors import SettingsInvalid, StandaloneServer, StoreTimeout, StoreUnavailable
from docservice.store.database.activity import Activity, PoolActivity
from docservice.store.database.connection_errors import tls_mismatch
from docservice.store.database.engines import ServerAccess, guard_of
from docservice.store.database.failures import only_duplicates, translated
from docservice.store.database.guard import EngineGuard
from docservice.store.database.mongodb_address import MongoAddress
from docservice.store.database.port import AlreadyKept, Contended, DatabaseCollection, Document, Result, Transaction
from docservice.store.database.raw_documents import RAW, RawDocument
from docservice.store.database.sessions import Sessions, may_be_open
from docservice.store.database.traits import EngineTraits

_CODEC: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
ACKNOWLEDGED = WriteConcern("majority", j=True)
SNAPSHOT = ReadConcern("snapshot")
_BATCH = 100
_IDLE_MILLISECONDS = 120_000
"""How long a connection may be unused before it is replaced: firewalls often close those that were silent for 240
seconds, SecantusDB after 300. The driver does not notice: it reads from a connection only to get an answer."""

_DRIVER_WAITED = "No servers found yet"
"""What the driver says when no server has said anything at all."""

_READS = {"buildInfo", "count", "find", "hello", "listCollections", "ping"}
"""Commands that may be sent twice. The driver repeats queries by itself, but none of what it is given as a command."""

_WRITE_CONFLICT = 112

_LOST_RACES = 10
"""How often two transactions may race to insert the same document before the loser gives up."""


class PyMongoDatabase:
    """An `AsyncDatabase`, own or borrowed, with this project's codec, write concern and errors."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        *,
        owned: bool,
        timeout_seconds: float,
        on_session: Callable[[bytes], None] | None = None,
    ) -> None:
        """Wrap a database.

        Args:
            database: of a client that the caller has made.
            owned: whether `close` closes the client.
            timeout_seconds: deadline for each transaction, once it has started, or guarded block.
            on_session: see `Sessions`.
        """
        self._database = _with_our_options(database)
        self._owned = owned
        self._timeout_seconds = timeout_seconds
        self._has_room: Callable[[], Awaitable[None]] | None = None
        self._transaction_lock: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
        self._guard = EngineGuard()
        self._address: MongoAddress | None = None
        self.name = database.name
        self.activity = Activity()
        self.sessions = Sessions(self._admin_command, on_session)

    @classmethod
    def connect(
        cls,
        uri: str,
        name: str,
        *,
        timeout_seconds: float,
        has_room: Callable[[], Awaitable[None]] | None = None,
        transaction_lock: Callable[[], AbstractAsyncContextManager[None]] | None = None,
        on_session: Callable[[bytes], None] | None = None,
    ) -> PyMongoDatabase:
        """Return a database of an own client; nothing is sent before the first statement.

        Args:
            uri: address.
            name: of the database.
            timeout_seconds: see `__init__`.
            has_room: raises `StoreUnavailable` if there is no room to write; None: there always is.
            transaction_lock: held by each transaction with the embedded engine, one at a time across all processes.
                None: one at a time in this object only.
            on_session: see `Sessions`.

        Raises:
            SettingsInvalid: the URI is not one, an option in it is not, or the name.
        """
        pool = PoolActivity()
        address = MongoAddress.parse(uri)
        try:
            database = _client(address, timeout_seconds, pool)[name]
        except InvalidName as error:
            raise SettingsInvalid(f"{name!r} is not a name of a database: {error}.") from None
        made = cls(database, owned=True, timeout_seconds=timeout_seconds, on_session=on_session)
        made.activity.pool = pool
        made._address = address
        made._has_room = has_room
        made._transaction_lock = transaction_lock or nullcontext
        return made

    async def move(self, uri: str) -> None:
        """Go on with the same database at another address; statements under way at the old one fail."""
        old = self._database.client
        self._address = MongoAddress.parse(uri)
        client = _client(self._address, self._timeout_seconds, self.activity.pool)
        self._database = _with_our_options(client[self.name])
        await old.close()

    @property
    def traits(self) -> EngineTraits:
        """See `port.Database`; known once the server was asked by `require_transactions`."""
        return self._guard.traits

    def __getitem__(self, collection: str) -> DatabaseCollection:
        return cast("DatabaseCollection", self._database[collection])

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """See `port.Database.guarded`."""
        with translated(), pymongo.timeout(self._timeout_seconds):
            yield

    async def transact(self, action: Callable[[Transaction], Awaitable[Result]], *, gives_way: bool = False) -> Result:
        """See `port.Database.transact`."""
        tx = Transaction(None)
        results: list[Result] = []
        conflicts = 0

        async def run(session: Any) -> Result:
            nonlocal conflicts
            if tx.session is not None:
                self.activity.transaction_retries += 1
            tx.session = session
            tx.may_be_kept = bool(results) and not self.traits.remembers_commits
            try:
                results.append(await action(tx))
            except AlreadyKept:
                await session.abort_transaction()  # it has only read
            except OperationFailure as error:
                conflicts += error.code == _WRITE_CONFLICT
                # Once a run came to its end, its commit may have been kept: only another run can tell.
                if gives_way and conflicts > 1 and not results:
                    raise Contended from error
                raise
            return results[-1]

        async with self._guard.transaction():
            await self._require_room()
            self.activity.transactions += 1
            return await self._transacted(run)

    async def _transacted(self, action: Callable[[Any], Awaitable[Result]]) -> Result:
        with self.guarded():
            for attempt in range(_LOST_RACES):
                run = self._guard.run
                try:
                    result = await self._in_transaction(action)
                    await self._guard.confirm(run)
                    return result
                except (DuplicateKeyError, BulkWriteError) as error:
                    if isinstance(error, BulkWriteError) and not only_duplicates(error):
                        raise
                    # Another transaction inserted the same computed id after this one looked: look again.
                    if attempt == _LOST_RACES - 1:
                        raise
        raise AssertionError("unreachable")

    async def _in_transaction(self, action: Callable[[Any], Awaitable[Result]]) -> Result:
        """Run `action` in a transaction, again after a write conflict, and commit it."""
        async with self._session() as session:
            result: Result = await session.with_transaction(action, read_concern=SNAPSHOT, write_concern=ACKNOWLEDGED)
            return result

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Any]:
        """A session for a transaction, which does not stay open when the block fails."""
        session, deadline = await self._start_session(), time.monotonic() + self._timeout_seconds
        self.sessions.using(session.session_id)
        try:
            yield session
        except BaseException as error:
            if may_be_open(error) or time.monotonic() >= deadline:
                self.sessions.end_later(session)
            else:
                await session.end_session()
            raise
        await session.end_session()

    async def _start_session(self) -> Any:
        return self._database.client.start_session()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """See `port.Database.writing`."""
        await self._require_room()
        with self.guarded():
            async with self._guard.writing():
                yield

    async def _require_room(self) -> None:
        if self._has_room is not None:
            await self._has_room()

    async def _raw_command(self, command: dict[str, Any]) -> Document:
        return await self._database.command(command)

    async def _admin_command(self, command: dict[str, Any]) -> Document:
        # Asked for each time: the client of an engine that has moved is another one.
        return await self._database.client.admin.command(command)

    async def command(self, command: Mapping[str, Any]) -> Document:
        """See `port.Database.command`."""
        with self.guarded():
            if next(iter(command)) in _READS:
                return await self._read_command(command)
            return await self._database.command(dict(command))

    async def _read_command(self, command: Mapping[str, Any]) -> Document:
        """Return the answer to a command that only reads, asked once more if the connection was stale.

        The first failure makes the driver drop all connections that it had, so that the second one is new.
        """
        try:
            return await self._database.command(dict(command))
        except AutoReconnect as error:
            if error.timeout:
                raise
            return await self._database.command(dict(command))

    async def require_transactions(self) -> None:
        """Check that the server is part of a replica set or a sharded cluster, and learn what it can do.

        Raises:
            SettingsInvalid: the address says something else about TLS than the server.
            StandaloneServer: it is a standalone; the message has the command that makes it a replica set.
            StoreUnavailable: it does not answer, or it is a replica set that was never initiated.
        """
        hello = await self._first_answer()
        access = ServerAccess(self._raw_command, self._read_command, self._transaction_lock, self._timeout_seconds)
        with self.guarded():
            self._guard = await guard_of(hello, access)
        if hello.get("setName") or hello.get("msg") == "isdbgrid":
            return
        address = "{}:{}".format(*(await self._server()))
        if hello.get("isreplicaset"):
            raise StoreUnavailable(
                f"The replica set at {address} was never initiated. Run once: "
                f"mongosh \"mongodb://{address}/?directConnection=true\" --eval 'rs.initiate()'"
            )
        raise StandaloneServer(
            f"MongoDB at {address} is a standalone server, and transactions need a replica set (one node is enough). "
            "Restart it with `--replSet rs0` (or `replication.replSetName: rs0` in mongod.conf), then run once: "
            f"mongosh \"mongodb://{address}/?directConnection=true\" --eval 'rs.initiate()'"
        )

    async def _first_answer(self) -> Document:
        try:
            return await self.command({"hello": 1})
        except (StoreUnavailable, StoreTimeout) as error:
            if self._address is None:
                raise
            hosts = list(self._database.client.topology_description.server_descriptions())
            mismatch = await tls_mismatch(self._address, hosts, self._timeout_seconds)
            if mismatch is not None:
                raise mismatch from error
            said = str(error).rstrip(".")
            if _DRIVER_WAITED in said:
                names = ", ".join(f"{host}:{port}" if port else host for host, port in hosts)
                said = f"No MongoDB server answers: {names} said nothing for {self._timeout_seconds:g} s"
            raise StoreUnavailable(f"{said}. Check host and port, and whether the server runs.") from error

    async def _server(self) -> tuple[str, int]:
        with self.guarded():
            return await self._database.client.address or ("?", 0)

    async def aggregate(self, collection: str, pipeline: Sequence[Mapping[str, Any]]) -> AsyncGenerator[Document, None]:
        """See `port.Database.aggregate`."""
        with self.guarded():
            cursor = await self._aggregation(collection, list(pipeline))
        async with cursor, aclosing(self._batches(cursor)) as documents:
            async for document in documents:
                yield document

    async def _aggregation(self, collection: str, pipeline: list[Mapping[str, Any]]) -> Any:
        return await self._database[collection].aggregate(pipeline)

    async def stream(
        self,
        collection: str,
        query: Mapping[str, Any],
        projection: Any = None,
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> AsyncGenerator[Document, None]:
        """See `port.Database.stream`."""
        cursor = self._database[collection].find(query, projection, sort=sort or None, limit=limit)
        async with cursor, aclosing(self._batches(cursor)) as documents:
            async for document in documents:
                yield document

    async def batches(
        self,
        collection: str,
        query: Mapping[str, Any],
        projection: Any = None,
        *,
        size: int,
        sort: Sequence[tuple[str, int]] = (),
    ) -> AsyncGenerator[list[Document], None]:
        """See `port.Database.batches`."""
        cursor = self._database[collection].find(query, projection, sort=sort or None, batch_size=size)
        async with cursor, aclosing(self._of_size(cursor, size)) as found:
            async for batch in found:
                yield batch

    async def raw_batches(
        self, collection: str, query: Mapping[str, Any], *, size: int, sort: Sequence[tuple[str, int]] = ()
    ) -> AsyncGenerator[list[RawDocument], None]:
        """See `port.Database.raw_batches`."""
        undecoded = self._database[collection].with_options(codec_options=RAW)
        cursor = undecoded.find(query, sort=sort or None, batch_size=size)
        async with cursor, aclosing(self._of_size(cursor, size)) as found:
            async for batch in found:
                yield [RawDocument(document.raw) for document in batch]

    async def _of_size(self, cursor: Any, size: int) -> AsyncGenerator[list[Any], None]:
        while True:
            with self.guarded():
                batch = await cursor.to_list(size)
            if batch:
                yield batch
            if len(batch) < size:
                return

    async def _batches(self, cursor: Any) -> AsyncGenerator[Document, None]:
        # The deadline is for each batch: held over a yield, it would also run while the reader is busy with a document.
        while True:
            with self.guarded():
                batch = await cursor.to_list(_BATCH)
            for document in batch:
                yield document
            if len(batch) < _BATCH:
                return

    async def end_sessions(self, ids: Iterable[bytes]) -> None:
        """See `port.Database.end_sessions`."""
        await self.sessions.end(ids)

    async def close(self) -> None:
        """See `port.Database.close`."""
        await self.sessions.close()
        if self._owned:
            await self._database.client.close()


def _client(address: MongoAddress, timeout_seconds: float, pool: PoolActivity | None) -> AsyncMongoClient[Document]:
    milliseconds = int(timeout_seconds * 1000)
    chosen: dict[str, Any] = {} if "maxidletimems" in address.options else {"maxIdleTimeMS": _IDLE_MILLISECONDS}
    try:
        with translated():
            return AsyncMongoClient(
                address.uri,
                appname="docservice",
                serverSelectionTimeoutMS=milliseconds,
                connectTimeoutMS=milliseconds,
                event_listeners=[] if pool is None else [pool],
                **chosen,
            )
    except (OSError, ValueError) as error:  # of some malformed addresses the driver does not make an error of its own
        raise SettingsInvalid(f"The MongoDB address is not usable: {error}") from error


def _with_our_options(database: AsyncDatabase[Document]) -> AsyncDatabase[Document]:
    return database.with_options(
        codec_options=_CODEC, write_concern=ACKNOWLEDGED, read_preference=ReadPreference.PRIMARY
    )
