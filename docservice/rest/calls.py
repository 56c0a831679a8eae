"""`Call`: one request as the handler of an operation gets it, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiohttp import web

from docservice.identity import Principal
from docservice.service import DocService
from docservice.service.acting.person_logs import ActingLogs

Body = TypeVar("Body")
Query = TypeVar("Query")


@dataclass(slots=True)
class Call(Generic[Body, Query]):
    """One request to an operation.

    Attributes:
        request: for what is not read here: headers, the address.
        service: for operations without a person.
        principal: who calls; `ANONYMOUS` if the operation does not ask.
        path: the values of the path's placeholders, each made by the parameter's reader.
        query: what the query string asks for, as the operation's `query` builds it; None without one.
        body: the operation's `body` type; None without one, the JSON value itself if the operation takes it raw.
        idempotency_key: None if none was sent.
    """

    request: web.Request
    service: DocService
    principal: Principal
    path: Mapping[str, Any]
    query: Query
    body: Body
    idempotency_key: str | None

    @property
    def logs(self) -> ActingLogs:
        """The logs as the caller may use them."""
        return self.service.acting_as(self.principal)
