"""`/metrics`: numbers for a monitor, in Prometheus' text format."""

from __future__ import annotations

from aiohttp import web

from docservice.errors import Unauthenticated
from docservice.rest.app_keys import METRICS
from docservice.rest.calls import Call
from docservice.rest.operations import PUBLIC, Operations
from docservice.rest.problems import Problem

operations = Operations()


@operations.get(
    "/metrics",
    access=PUBLIC,
    auth="none",
    description="In Prometheus' text format. Takes the token of the metrics, if one is set.",
    answer=str,
    media_type="text/plain",
    errors=(Unauthenticated,),
    other_answers={404: ("This application counts nothing.", Problem)},
)
async def metrics(call: Call[None, None]) -> web.Response:
    """Numbers for a monitor."""
    metrics_of_app = call.request.config_dict.get(METRICS)
    if metrics_of_app is None:
        raise web.HTTPNotFound
    metrics_of_app.admit(call.request)
    return web.Response(body=await metrics_of_app.text(), headers={"Content-Type": metrics_of_app.content_type})
