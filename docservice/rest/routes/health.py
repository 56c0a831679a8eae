"""`/healthz` and `/readyz`: is the process alive, does the database answer."""

from __future__ import annotations

from pydantic import BaseModel

from docservice.errors import ServiceBusy, StoreTimeout, StoreUnavailable
from docservice.rest.calls import Call
from docservice.rest.operations import PUBLIC, Operations
from docservice.rest.running_requests import LIMITS

operations = Operations()


class Health(BaseModel):
    """All is well."""

    status: str


@operations.get("/healthz", access=PUBLIC, auth="none", answer=Health)
async def healthz(call: Call[None, None]) -> Health:
    """Whether the process is alive."""
    return Health(status="ok")


@operations.get("/readyz", access=PUBLIC, auth="none", answer=Health, errors=(StoreUnavailable, StoreTimeout))
async def readyz(call: Call[None, None]) -> Health:
    """Whether the database answers.

    Raises:
        ServiceBusy: the service is about to stop.
        StoreUnavailable: the database does not answer.
    """
    if call.request.config_dict[LIMITS].draining:
        raise ServiceBusy("The service is stopping.")
    await call.service.ping()
    return Health(status="ready")
