"""The metrics of `/metrics`: counts and times of requests, of the database and of the process.

Nothing here names a person: paths are templates, unknown methods are one label, and no value is an id.
"""

from __future__ import annotations

import asyncio
import hmac
import platform
from collections.abc import Awaitable, Callable, Iterator, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

import docservice
from docservice.errors import DocServiceError, Unauthenticated
from docservice.rest import worker_metrics as exposition
from docservice.rest.running_requests import RequestLimits, route_of
from docservice.service import DocService

Others = Callable[[], Awaitable[Mapping[str, bytes]]]
"""Asks the other workers for their snapshots, by worker."""

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The metrics of one application, in a registry of its own."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(
        self, *, token: str | None = None, worker: str | None = None, restarts: int = 0, others: Others | None = None
    ) -> None:
        """Begin to count.

        Args:
            token: bearer token that a monitor has to send; if None, none is needed.
            worker: number of this process; None if there is only one.
            restarts: how often that worker was restarted.
            others: gets the metrics of the other workers; None if there are none.
        """
        self._token = token
        self._worker = worker
        self._restarts = restarts
        self._others = others
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter(
            "docservice_http_requests", "Requests that were answered.", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "docservice_http_request_duration_seconds",
            "Time from a request's headers to the end of its handler.",
            ("method", "route"),
            registry=self._registry,
            buckets=_BUCKETS,
        )
        ProcessCollector(registry=self._registry)

    def watch(self, service: DocService, limits: RequestLimits) -> None:
        """Show what this service and its limits do; once."""
        self._service = service
        self._registry.register(_ServiceCollector(service, limits, self._worker, self._restarts))

    def count(self, request: web.Request, status: int, seconds: float) -> None:
        """Note an answered request."""
        method, route = request.method if request.method in _METHODS else "(other)", route_of(request)
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def admit(self, request: web.Request) -> None:
        """Check that the request may read the metrics.

        Raises:
            Unauthenticated: it may not.
        """
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if self._token is not None and not hmac.compare_digest(token, self._token.encode()):
            raise Unauthenticated("Send the token of DOCSERVICE_METRICS_TOKEN: `Authorization: Bearer TOKEN`.")

    async def snapshot(self) -> bytes:
        """Return the metrics of this process, for another one to show."""
        return await asyncio.to_thread(lambda: exposition.snapshot(self._registry.collect()))

    async def text(self) -> bytes:
        """Return the metrics of all workers and of the database, in Prometheus' text format."""
        about_all = [_build(), *await self._about_the_database()]
        if self._others is None or self._worker is None:
            return await asyncio.to_thread(lambda: exposition.text([*self._registry.collect(), *about_all]))
        snapshots = {**await self._others(), self._worker: await self.snapshot()}
        return await asyncio.to_thread(lambda: exposition.text([*exposition.merged(snapshots), *about_all]))

    async def _about_the_database(self) -> list[Metric]:
        up = GaugeMetricFamily("docservice_database_up", "Whether the database answers.", value=0)
        try:
            counts = await self._service.admin.document_counts()
            await self._service.ping()
        except DocServiceError:
            return [up]
        documents = GaugeMetricFamily("docservice_documents", "Log documents.", labels=["collection"])
        dirty = GaugeMetricFamily(
            "docservice_dirty_documents", "Log documents with records that wait for sync.", labels=["collection"]
        )
        for family, numbers in ((documents, counts.documents), (dirty, counts.dirty)):
            for collection, number in numbers.items():
                family.add_metric([collection], number)
        return [
            GaugeMetricFamily("docservice_database_up", "Whether the database answers.", value=1),
            documents,
            dirty,
            GaugeMetricFamily(
                "docservice_overflow_buckets",
                "Buckets with attempts that did not fit into their summary or session.",
                value=counts.overflow_buckets,
            ),
        ]


def _build() -> Metric:
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    about = {"version": docservice.__version__, "python": platform.python_version(), "event_loop": loop}
    return InfoMetricFamily("docservice_build", "What is running.", value=about)


class _ServiceCollector(Collector):
    """The numbers that are kept elsewhere, read when a monitor asks."""

    def __init__(self, service: DocService, limits: RequestLimits, worker: str | None, restarts: int) -> None:
        self._service = service
        self._limits = limits
        self._worker = worker
        self._restarts = restarts

    def describe(self) -> Iterator[Metric]:
        """No name clashes: nothing has to be collected before the service is entered."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "docservice_http_requests_in_flight", "Requests under way.", value=self._limits.in_flight
        )
        activity = self._service.admin.activity
        yield CounterMetricFamily("docservice_transactions", "Transactions begun.", value=activity.transactions)
        yield CounterMetricFamily(
            "docservice_transaction_retries",
            "Transactions begun again after a write conflict or a lost race.",
            value=activity.transaction_retries,
        )
        if activity.pool is not None:
            pool = GaugeMetricFamily(
                "docservice_database_connections", "Connections to the database.", labels=["state"]
            )
            pool.add_metric(["in_use"], activity.pool.in_use)
            pool.add_metric(["idle"], max(0, activity.pool.open - activity.pool.in_use))
            yield pool
            yield GaugeMetricFamily(
                "docservice_database_connections_waiting",
                "Statements that wait for a connection.",
                value=activity.pool.waiting,
            )
            yield CounterMetricFamily(
                "docservice_database_connection_failures",
                "Statements that got no connection.",
                value=activity.pool.failed,
            )
        if self._service.engine is not None:
            yield CounterMetricFamily(
                "docservice_engine_restarts",
                "How often the embedded engine was restarted.",
                value=self._service.engine.restarts,
            )
        if self._worker is not None:
            yield CounterMetricFamily(
                "docservice_worker_restarts", "How often the worker was restarted.", value=self._restarts
            )
