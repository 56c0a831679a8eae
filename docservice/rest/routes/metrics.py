"""`/metrics`: numbers for a monitor, in Prometheus' text format."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from docservice.rest.keys import METRICS
from docservice.rest.operations import Operation


async def metrics(request: web.Request) -> web.Response:
    """The metrics of all workers; not there if the application counts nothing."""
    found = request.config_dict.get(METRICS)
    if found is None:
        raise web.HTTPNotFound
    found.admit(request)
    return web.Response(body=await found.text(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


OPERATIONS = (Operation(method="GET", path="/metrics", handler=metrics, summary="Numbers for a monitor (Prometheus)"),)
