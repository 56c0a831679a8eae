"""`/metrics`: numbers for a monitor, in Prometheus' text format."""

from __future__ import annotations

from aiohttp import web

from docservice.errors import Unauthenticated
from docservice.rest.app_keys import METRICS
from docservice.rest.operations import Operation
from docservice.rest.problems import Problem


async def metrics(request: web.Request) -> web.Response:
    """The metrics of all workers; not there if the application counts nothing."""
    found = request.config_dict.get(METRICS)
    if found is None:
        raise web.HTTPNotFound
    found.admit(request)
    return web.Response(body=await found.text(), headers={"Content-Type": found.content_type})


OPERATIONS = (
    Operation(
        method="GET",
        path="/metrics",
        handler=metrics,
        summary="Numbers for a monitor",
        description="In Prometheus' text format. Takes the token of the metrics, if one is set.",
        caller="nobody",
        answer=str,
        media_type="text/plain",
        errors=(Unauthenticated,),
        other_answers={404: ("This application counts nothing.", Problem)},
    ),
)
