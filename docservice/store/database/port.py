"""The protocol of a database, as the stores use it, for all drivers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from docservice.store.database.activity import Activity
from docservice.store.database.raw_documents import RawDocument
from docservice.store.database.traits import EngineTraits

Document = dict[str, Any]
Filter = Mapping[str, Any]
Result = TypeVar("Result")


class AlreadyKept(Exception):
    """An earlier run of this transaction was committed, although its acknowledgement was lost. Its result counts."""


class Contended(Exception):
    """Another transaction holds what this one would change. Nothing of this one was kept; try again later."""


def one_of(values: Iterable[str]) -> Any:
    """The condition of a filter that a field has one of some values; for one value the plainest on every engine."""
    different = sorted(set(values))
    return {"$in": different} if len(different) != 1 else different[0]


@dataclass
class Transaction:
    """A transaction under way.

    Attributes:
        session: the driver's; pass it to every statement.
        id: 32 hex characters, the same for every run of the action.
        may_be_kept: whether an earlier run may have been committed without the driver knowing. Then the action looks
            for what it wrote, and raises `AlreadyKept` if it is stored. Only for engines that forget commits.
    """

    session: Any
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    may_be_kept: bool = False


class DatabaseCursor(Protocol):
    """The documents that a query finds."""

    def __aiter__(self) -> AsyncIterator[Document]: ...


class DatabaseCollection(Protocol):
    """The part of PyMongo's (and Motor's) asynchronous collection that is used here."""

    async def find_one(self, filter: Filter, projection: Any = None, *, session: Any = None) -> Document | None: ...

    def find(
        self, filter: Filter, projection: Any = None, *, sort: Any = None, limit: int = 0, session: Any = None
    ) -> DatabaseCursor: ...

    async def insert_one(self, document: Document, *, session: Any = None) -> Any: ...

    async def insert_many(self, documents: Sequence[Document], *, ordered: bool = True, session: Any = None) -> Any: ...

    async def update_one(self, filter: Filter, update: Any, *, upsert: bool = False, session: Any = None) -> Any: ...

    async def replace_one(
        self, filter: Filter, replacement: Document, *, upsert: bool = False, session: Any = None
    ) -> Any: ...

    async def delete_one(self, filter: Filter, *, session: Any = None) -> Any: ...

    async def bulk_write(self, requests: Sequence[Any], *, ordered: bool = True, session: Any = None) -> Any: ...

    async def count_documents(self, filter: Filter, *, session: Any = None) -> int: ...

    async def create_index(self, keys: Any, **options: Any) -> str: ...

    async def drop_index(self, index: str) -> Any: ...

    async def index_information(self) -> Mapping[str, Any]: ...


class Database(Protocol):
    """A database of the deployment, with transactions.

    Every method raises the errors of `docservice.errors`; driver errors do not leave the store, except inside the
    callback of `transact`, where the driver needs to see them.
    """

    name: str
    activity: Activity

    @property
    def traits(self) -> EngineTraits:
        """What the engine can and cannot do."""
        ...

    def __getitem__(self, collection: str) -> DatabaseCollection: ...

    async def transact(self, action: Callable[[Transaction], Awaitable[Result]], *, gives_way: bool = False) -> Result:
        """Run `action` in a transaction and commit it; run it again on fresh documents after a write conflict.

        Args:
            action: gets the transaction, passes its session to every statement, and may run several times.
            gives_way: run it again once at most after a write conflict, then leave the way to others.

        Raises:
            Contended: it gave way; nothing of it was kept.
            StoreError: the transaction could not be committed; nothing of it was kept.
            StoreUnavailable: there is no room for it, or what it wrote may be lost.
        """
        ...

    def writing(self) -> AbstractAsyncContextManager[None]:
        """Return a guarded block that writes outside transactions; at its end all of that is kept.

        Raises:
            StoreUnavailable: there is no room for it, or what was written may be lost.
        """
        ...

    async def command(self, command: Mapping[str, Any]) -> Document:
        """Return the answer to a database command."""
        ...

    def stream(
        self,
        collection: str,
        query: Filter,
        projection: Any = None,
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> AsyncGenerator[Document, None]:
        """Return the documents that a query finds, outside a transaction; a deadline for each batch of them."""
        ...

    def batches(
        self, collection: str, query: Filter, projection: Any = None, *, size: int, sort: Sequence[tuple[str, int]] = ()
    ) -> AsyncGenerator[list[Document], None]:
        """Like `stream`, at most `size` documents at a time, so that no long list is decoded at once."""
        ...

    def raw_batches(
        self, collection: str, query: Filter, *, size: int, sort: Sequence[tuple[str, int]] = ()
    ) -> AsyncGenerator[list[RawDocument], None]:
        """Like `batches`, with documents not decoded yet. They are whole: no engine leaves a part out as quickly."""
        ...

    def aggregate(self, collection: str, pipeline: Sequence[Mapping[str, Any]]) -> AsyncGenerator[Document, None]:
        """Return the rows of an aggregation."""
        ...

    def guarded(self) -> AbstractContextManager[None]:
        """Return a block whose statements share one deadline and raise this project's errors."""
        ...

    async def end_sessions(self, ids: Iterable[bytes]) -> None:
        """End sessions of a process that has ended, with their transactions; takes some seconds and never fails."""
        ...

    async def close(self) -> None:
        """Close the connection if it is an own one; leave a borrowed one alone."""
        ...
