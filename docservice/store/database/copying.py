"""Copies all databases of one server to another, empty one: documents byte for byte, indexes, views."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from docservice.errors import StoreError
from docservice.store.database.failures import translated
from docservice.store.database.pymongo_db import ACKNOWLEDGED

_OWN_DATABASES = {"admin", "config", "local"}
_BATCH_DOCUMENTS = 500
_BATCH_BYTES = 8 * 1024 * 1024
_OPTIONS = ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression", "collation", "hidden")
"""Of an index; servers tell more of it than they take."""


async def copy_everything(source_uri: str, target_uri: str) -> None:
    """Copy all that is not the server's own; nobody may write to either meanwhile.

    Raises:
        StoreError: a server failed, or the copy is not whole.
    """
    with translated():
        async with (
            AsyncMongoClient[RawBSONDocument](source_uri, document_class=RawBSONDocument) as source,
            AsyncMongoClient[RawBSONDocument](target_uri, document_class=RawBSONDocument) as target,
        ):
            for name in await source.list_database_names():
                if name not in _OWN_DATABASES:
                    await _copy_database(source[name], target[name].with_options(write_concern=ACKNOWLEDGED))


async def _copy_database(source: AsyncDatabase[RawBSONDocument], target: AsyncDatabase[RawBSONDocument]) -> None:
    views: list[Mapping[str, Any]] = []
    async for found in await source.list_collections():
        name = str(found["name"])
        if name.startswith("system."):
            continue
        if found["type"] == "view":
            views.append(found)
            continue
        await target.create_collection(name)
        await _copy_documents(source[name], target[name])
        for index in (await source[name].index_information()).items():
            await _create_index(target[name], *index)
    for view in views:
        options = view["options"]
        await target.command({"create": view["name"], "viewOn": options["viewOn"], "pipeline": options["pipeline"]})


async def _create_index(target: AsyncCollection[RawBSONDocument], name: str, index: Mapping[str, Any]) -> None:
    if name != "_id_":
        options = {option: index[option] for option in _OPTIONS if index.get(option, False) is not False}
        await target.create_index(list(index["key"]), name=name, **options)


async def _copy_documents(source: AsyncCollection[RawBSONDocument], target: AsyncCollection[RawBSONDocument]) -> None:
    written = 0
    async for batch in _batches(source):
        await target.insert_many(batch)
        written += len(batch)
    counts = [await each.count_documents({}) for each in (source, target)]
    if counts != [written, written]:
        raise StoreError(f"The copy of {source.full_name} is not whole: {counts[1]:,} of {counts[0]:,} documents.")


async def _batches(source: AsyncCollection[RawBSONDocument]) -> AsyncIterator[list[RawBSONDocument]]:
    batch: list[RawBSONDocument] = []
    size = 0
    async for document in source.find({}):
        batch.append(document)
        size += len(document.raw)
        if len(batch) >= _BATCH_DOCUMENTS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
