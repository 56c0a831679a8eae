"""The write operations of a bulk write, as the drivers take them."""

from __future__ import annotations

from typing import TypeAlias

from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateOne

from docservice.store.database.port import Document

Write: TypeAlias = InsertOne[Document] | UpdateOne | ReplaceOne[Document] | DeleteMany | DeleteOne

__all__ = ["DeleteMany", "DeleteOne", "InsertOne", "ReplaceOne", "UpdateOne", "Write"]
