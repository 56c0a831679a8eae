"""Operations: one list of what the API does, from which routes and the API description are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from pydantic import BaseModel

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Operation:
    """One method on one path.

    Attributes:
        method: HTTP method.
        path: aiohttp path with placeholders; Kolibri's paths end with a slash.
        summary: what it does, in a line.
        kolibri_view: Kolibri's name of the view; errors are then answered in Kolibri's shape. None: in problem JSON.
        body: model of the request body, None if there is none.
        answer: model of the answer with status 200.
        slash_optional: also served without the slash at the end.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    kolibri_view: str | None = None
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    slash_optional: bool = False
