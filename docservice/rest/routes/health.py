"""`/healthz` and `/readyz`: is the process alive, does the database answer."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel

from docservice.errors import ServiceBusy, StoreTimeout, StoreUnavailable
from docservice.rest.app_keys import SERVICE
from docservice.rest.bodies import json_answer
from docservice.rest.limits import TRAFFIC
from docservice.rest.operations import Operation


class Health(BaseModel):
    """All is well."""

    status: str


async def healthz(request: web.Request) -> web.Response:
    """The process serves requests."""
    return json_answer({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """The database answers, too; 503 if it does not, or if the service is about to stop."""
    if request.config_dict[TRAFFIC].draining:
        raise ServiceBusy("The service is stopping.")
    await request.config_dict[SERVICE].ping()
    return json_answer({"status": "ready"})


OPERATIONS = (
    Operation(
        method="GET",
        path="/healthz",
        handler=healthz,
        summary="Whether the process is alive",
        caller="nobody",
        answer=Health,
    ),
    Operation(
        method="GET",
        path="/readyz",
        handler=readyz,
        summary="Whether the database answers",
        caller="nobody",
        answer=Health,
        errors=(StoreUnavailable, StoreTimeout),
    ),
)
